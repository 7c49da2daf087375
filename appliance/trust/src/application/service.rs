//! Answers one request of compute after another.

use obscura_local::appliance::{
    PIECE_BYTES, ReceiptRequest, TrustRefusal, TrustReply, TrustRequest, VerifiedModel,
};
use obscura_protocol::{
    identity::{Digest, Identity, PeerName},
    job::{FloorKind, Receipt, Signed},
};

use super::VerifiedBundle;
use crate::domain::Shelf;

/// The verified models and the key that speaks about them.
#[derive(Debug)]
pub struct Service {
    shelf: Shelf<VerifiedBundle>,
    receipt_key: Identity,
    box_name: PeerName,
}

impl Service {
    /// Serves `shelf`, signing as `box_name`.
    pub fn new(shelf: Shelf<VerifiedBundle>, receipt_key: Identity, box_name: PeerName) -> Self {
        Self {
            shelf,
            receipt_key,
            box_name,
        }
    }

    /// Answers `request`; refusals are answers.
    pub fn handle(&self, request: &TrustRequest) -> TrustReply {
        let answer = match request {
            TrustRequest::Models => Ok(TrustReply::Models(self.models())),
            TrustRequest::FilePiece {
                model_hash,
                file,
                offset,
            } => self.piece(model_hash, file, *offset),
            TrustRequest::SignReceipt(request) => self.receipt(request),
        };
        answer.unwrap_or_else(TrustReply::Refused)
    }

    fn models(&self) -> Vec<VerifiedModel> {
        let bundles = self.shelf.iter().map(|VerifiedBundle(bundle)| bundle);
        bundles
            .map(|bundle| VerifiedModel {
                model_id: bundle.manifest().model_id.clone(),
                model_hash: bundle.model_hash(),
                security_counter: bundle.manifest().security_counter,
                scheme: bundle.manifest().scheme.clone(),
            })
            .collect()
    }

    fn find(&self, model_hash: &Digest) -> Result<&VerifiedBundle, TrustRefusal> {
        self.shelf.find(&model_hash.0).ok_or(TrustRefusal::UnknownModel)
    }

    fn piece(&self, model_hash: &Digest, file: &str, offset: u64) -> Result<TrustReply, TrustRefusal> {
        let VerifiedBundle(bundle) = self.find(model_hash)?;
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
        let VerifiedBundle(bundle) = self.find(&request.model_hash)?;
        let receipt = Receipt {
            job: request.job,
            item: request.item,
            input_hash: request.input_hash,
            answer_hash: request.answer_hash,
            model_id: bundle.manifest().model_id.clone(),
            model_hash: bundle.model_hash(),
            security_counter: bundle.manifest().security_counter,
            floor: FloorKind::None,
            parameter_hash: request.parameter_hash,
            key_fingerprint: request.key_fingerprint,
            box_name: self.box_name.clone(),
        };
        let signed = Signed::sign(receipt, &self.receipt_key);
        Ok(TrustReply::Receipt(signed.as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        io,
        path::{Path, PathBuf},
    };

    use obscura_bundle::{Bundle, Meta, Root, TrustedRoot};
    use obscura_protocol::identity::JobId;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{application::boot, ports::BundleSource};

    struct MemBundles(Vec<Vec<u8>>);

    impl BundleSource for MemBundles {
        fn candidates(&self) -> io::Result<Vec<PathBuf>> {
            Ok((0..self.0.len()).map(|n| PathBuf::from(n.to_string())).collect())
        }

        fn read(&self, candidate: &Path, _max_bytes: usize) -> io::Result<Vec<u8>> {
            let n: usize = candidate.display().to_string().parse().unwrap();
            Ok(self.0[n].clone())
        }
    }

    fn key(seed: u8) -> Identity {
        Identity::from_seed(&Zeroizing::new([seed; 32]))
    }

    fn bundle(signer: u8) -> Vec<u8> {
        let meta = Meta {
            model_id: "model".to_owned(),
            version: "1.0.0".to_owned(),
            security_counter: 3,
            scheme: "tfhe-1".to_owned(),
            min_protocol: 1,
        };
        let files = BTreeMap::from([("circuit.json".to_owned(), vec![7; PIECE_BYTES + 1])]);
        Bundle::build(&meta, files).unwrap().sign(&[key(signer)])
    }

    fn service(bundles: Vec<Vec<u8>>) -> Service {
        let root = Root::new(1, 1, vec![key(1).public()]).unwrap();
        let root = TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap();
        let shelf = boot(&MemBundles(bundles), &root).unwrap();
        Service::new(shelf, key(9), "box-1".parse().unwrap())
    }

    fn offered(service: &Service) -> Vec<VerifiedModel> {
        match service.handle(&TrustRequest::Models) {
            TrustReply::Models(models) => models,
            other => panic!("{other:?}"),
        }
    }

    fn piece(service: &Service, model_hash: Digest, file: &str, offset: u64) -> TrustReply {
        let file = file.to_owned();
        service.handle(&TrustRequest::FilePiece {
            model_hash,
            file,
            offset,
        })
    }

    #[test]
    fn offers_no_bundle_that_is_altered_cut_or_signed_by_another_root() {
        let good = bundle(1);
        let mut bad = vec![bundle(2), Vec::new(), b"garbage".to_vec()];
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            bad.push(flipped);
            bad.push(good[..at].to_vec());
        }
        assert_eq!(offered(&service(bad.clone())), []);
        bad.push(good);
        assert_eq!(offered(&service(bad)).len(), 1);
    }

    #[test]
    fn serves_the_verified_bytes_in_pieces_and_nothing_else() {
        let service = service(vec![bundle(1)]);
        let hash = offered(&service)[0].model_hash;
        let file_bytes = PIECE_BYTES as u64 + 1;
        for (offset, len) in [(0, PIECE_BYTES), (PIECE_BYTES as u64, 1), (file_bytes, 0)] {
            let want = TrustReply::FilePiece {
                file_bytes,
                bytes: vec![7; len],
            };
            assert!(piece(&service, hash, "circuit.json", offset) == want, "{offset}");
        }
        let refused = TrustReply::Refused(TrustRefusal::UnknownFile);
        assert_eq!(piece(&service, hash, "circuit.json", file_bytes + 1), refused);
        assert_eq!(piece(&service, hash, "../circuit.json", 0), refused);
        assert_eq!(
            piece(&service, Digest([0; 32]), "circuit.json", 0),
            TrustReply::Refused(TrustRefusal::UnknownModel)
        );
    }

    #[test]
    fn signs_what_it_verified_itself_and_what_compute_says_about_the_answer() {
        let service = service(vec![bundle(1)]);
        let hash = offered(&service)[0].model_hash;
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
            floor: FloorKind::None,
            parameter_hash: Digest([5; 32]),
            key_fingerprint: Digest([6; 32]),
            box_name: "box-1".parse().unwrap(),
        };
        assert_eq!(*receipt.statement(), expected);
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
            service(Vec::new()).handle(&TrustRequest::SignReceipt(request)),
            TrustReply::Refused(TrustRefusal::UnknownModel)
        );
    }
}
