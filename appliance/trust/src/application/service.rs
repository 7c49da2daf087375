//! Answers one request of compute after another.

use obscura_bundle::{Bundle, Verified};
use obscura_local::appliance::{
    PIECE_BYTES, ReceiptRequest, TrustRefusal, TrustReply, TrustRequest, VerifiedModel,
};
use obscura_protocol::{
    identity::{Digest, Identity, PeerName},
    job::{Receipt, Signed},
};

use super::{Models, NotOffered};

/// The verified models and the key that speaks about them.
#[derive(Debug)]
pub struct Service {
    models: Models,
    receipt_key: Identity,
    box_name: PeerName,
}

impl Service {
    /// Serves `models`, signing as `box_name`.
    pub fn new(models: Models, receipt_key: Identity, box_name: PeerName) -> Self {
        Self {
            models,
            receipt_key,
            box_name,
        }
    }

    /// Answers `request`; refusals are answers.
    pub fn handle(&mut self, request: &TrustRequest) -> TrustReply {
        let answer = match request {
            TrustRequest::Models => Ok(self.hand_out()),
            TrustRequest::FilePiece {
                model_hash,
                file,
                offset,
            } => self.piece(model_hash, file, *offset),
            TrustRequest::SignReceipt(request) => self.receipt(request),
            TrustRequest::Verdict { model_hash, good } => self.verdict(model_hash, *good),
        };
        answer.unwrap_or_else(TrustReply::Refused)
    }

    fn hand_out(&mut self) -> TrustReply {
        self.models.hand_out();
        TrustReply::Models(self.models.iter().map(described).collect())
    }

    fn verdict(&mut self, model_hash: &Digest, good: bool) -> Result<TrustReply, TrustRefusal> {
        let instead = self.models.report(model_hash, good);
        let instead = instead.map_err(|NotOffered| TrustRefusal::UnknownModel)?;
        Ok(TrustReply::Instead(instead.map(described)))
    }

    fn find(&self, model_hash: &Digest) -> Result<&Bundle<Verified>, TrustRefusal> {
        self.models.find(model_hash).ok_or(TrustRefusal::UnknownModel)
    }

    fn piece(&self, model_hash: &Digest, file: &str, offset: u64) -> Result<TrustReply, TrustRefusal> {
        let bundle = self.find(model_hash)?;
        let bytes = bundle.file(file).ok_or(TrustRefusal::UnknownFile)?;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset..));
        let rest = rest.ok_or(TrustRefusal::UnknownFile)?;
        Ok(TrustReply::FilePiece {
            file_bytes: bytes.len() as u64,
            bytes: rest[..rest.len().min(PIECE_BYTES)].to_vec(),
        })
    }

    /// Signs what compute says about the answer and what this process verified about the model.
    fn receipt(&self, request: &ReceiptRequest) -> Result<TrustReply, TrustRefusal> {
        let bundle = self.find(&request.model_hash)?;
        let receipt = Receipt {
            job: request.job,
            item: request.item,
            input_hash: request.input_hash,
            answer_hash: request.answer_hash,
            model_id: bundle.manifest().model_id.clone(),
            model_hash: bundle.model_hash(),
            security_counter: bundle.manifest().security_counter,
            floor: self.models.floor_kind(),
            parameter_hash: request.parameter_hash,
            key_fingerprint: request.key_fingerprint,
            box_name: self.box_name.clone(),
        };
        let signed = Signed::sign(receipt, &self.receipt_key);
        Ok(TrustReply::Receipt(signed.as_bytes().to_vec()))
    }
}

fn described(bundle: &Bundle<Verified>) -> VerifiedModel {
    VerifiedModel {
        model_id: bundle.manifest().model_id.clone(),
        model_hash: bundle.model_hash(),
        security_counter: bundle.manifest().security_counter,
        scheme: bundle.manifest().scheme.clone(),
    }
}

#[cfg(test)]
mod tests {
    use obscura_protocol::{identity::JobId, job::FloorKind};

    use super::*;
    use crate::application::tests::{Bench, bundle, key, model_files, signed_by};

    fn service(bundles: &[Vec<u8>]) -> Service {
        let bench = Bench::with_models(bundles);
        Service::new(bench.start(), key(9), "box-1".parse().unwrap())
    }

    fn good() -> Vec<u8> {
        signed_by(&[1], "model", 3, model_files(PIECE_BYTES + 1))
    }

    fn offered(service: &mut Service) -> Vec<VerifiedModel> {
        match service.handle(&TrustRequest::Models) {
            TrustReply::Models(models) => models,
            other => panic!("{other:?}"),
        }
    }

    fn piece(service: &mut Service, model_hash: Digest, file: &str, offset: u64) -> TrustReply {
        let file = file.to_owned();
        service.handle(&TrustRequest::FilePiece {
            model_hash,
            file,
            offset,
        })
    }

    #[test]
    fn offers_no_bundle_that_is_altered_cut_or_signed_by_another_root() {
        let good = good();
        let mut bad = vec![
            signed_by(&[2], "model", 3, model_files(1)),
            Vec::new(),
            b"garbage".to_vec(),
        ];
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            bad.push(flipped);
            bad.push(good[..at].to_vec());
        }
        assert_eq!(offered(&mut service(&bad)), []);
        bad.push(good);
        assert_eq!(offered(&mut service(&bad)).len(), 1);
    }

    #[test]
    fn serves_the_verified_bytes_in_pieces_and_nothing_else() {
        let mut service = service(&[good()]);
        let hash = offered(&mut service)[0].model_hash;
        let file_bytes = PIECE_BYTES as u64 + 1;
        for (offset, len) in [(0, PIECE_BYTES), (PIECE_BYTES as u64, 1), (file_bytes, 0)] {
            let want = TrustReply::FilePiece {
                file_bytes,
                bytes: vec![7; len],
            };
            assert!(
                piece(&mut service, hash, "circuit.json", offset) == want,
                "{offset}"
            );
        }
        let refused = TrustReply::Refused(TrustRefusal::UnknownFile);
        assert_eq!(piece(&mut service, hash, "circuit.json", file_bytes + 1), refused);
        assert_eq!(piece(&mut service, hash, "../circuit.json", 0), refused);
        assert_eq!(
            piece(&mut service, Digest([0; 32]), "circuit.json", 0),
            TrustReply::Refused(TrustRefusal::UnknownModel)
        );
    }

    #[test]
    fn signs_what_it_verified_itself_and_what_compute_says_about_the_answer() {
        let mut service = service(&[good()]);
        let hash = offered(&mut service)[0].model_hash;
        let request = ReceiptRequest {
            job: JobId([1; 16]),
            item: 2,
            input_hash: Digest([3; 32]),
            answer_hash: Digest([4; 32]),
            model_hash: hash,
            parameter_hash: Digest([5; 32]),
            key_fingerprint: Digest([6; 32]),
        };
        let TrustReply::Receipt(bytes) = service.handle(&TrustRequest::SignReceipt(request)) else {
            panic!("no receipt");
        };
        let receipt = Signed::<Receipt>::verify(&bytes, &key(9).public()).unwrap();
        let expected = Receipt {
            job: JobId([1; 16]),
            item: 2,
            input_hash: Digest([3; 32]),
            answer_hash: Digest([4; 32]),
            model_id: "model".to_owned(),
            model_hash: hash,
            security_counter: 3,
            floor: FloorKind::File,
            parameter_hash: Digest([5; 32]),
            key_fingerprint: Digest([6; 32]),
            box_name: "box-1".parse().unwrap(),
        };
        assert_eq!(*receipt.statement(), expected);
    }

    #[test]
    fn a_bad_verdict_is_answered_with_the_other_slot_and_a_good_one_with_nothing() {
        let bench = Bench::with_models(&[bundle("model", 3)]);
        drop(bench.start_and_find_good());
        bench.put("x.obb", &bundle("model", 4));
        let mut service = Service::new(bench.start(), key(9), "box-1".parse().unwrap());
        let offer = offered(&mut service);
        assert_eq!(offer[0].security_counter, 4);
        let verdict = |service: &mut Service, model_hash, good| {
            service.handle(&TrustRequest::Verdict { model_hash, good })
        };
        let TrustReply::Instead(Some(former)) = verdict(&mut service, offer[0].model_hash, false) else {
            panic!("no other slot");
        };
        assert_eq!(former.security_counter, 3);
        assert_eq!(offered(&mut service), std::slice::from_ref(&former));
        assert_eq!(
            verdict(&mut service, former.model_hash, true),
            TrustReply::Instead(None)
        );
        let refused = TrustReply::Refused(TrustRefusal::UnknownModel);
        assert_eq!(verdict(&mut service, offer[0].model_hash, true), refused);
    }

    #[test]
    fn signs_nothing_about_a_model_it_did_not_verify() {
        let request = ReceiptRequest {
            job: JobId([1; 16]),
            item: 0,
            input_hash: Digest([0; 32]),
            answer_hash: Digest([0; 32]),
            model_hash: Digest([0; 32]),
            parameter_hash: Digest([0; 32]),
            key_fingerprint: Digest([0; 32]),
        };
        assert_eq!(
            service(&[]).handle(&TrustRequest::SignReceipt(request)),
            TrustReply::Refused(TrustRefusal::UnknownModel)
        );
    }
}
