//! The verified bundle, its contract and circuit, and the TFHE keys, as the vault's model.
//!
//! Everything here comes out of a bundle whose signatures were checked against the pinned root; nothing is
//! read from anywhere else.

mod image;
mod record;

use image::TfheImages;
use obscura_bundle::{
    Bundle, BundleError, Contract, Golden, GoldenError, GoldenMismatch, Reads, TrustedRoot, Verified,
    file_name, verify,
};
use obscura_circuit::{Circuit, CircuitError, Output};
use obscura_fhe_client::{ClientError, SecretKeys};
use obscura_fhe_core::{ParameterError, ParameterSet, Plan, PlanError};
use obscura_local::agent::{ContractView, LicenceView, ReadsView};
use obscura_protocol::identity::Digest;
use record::TfheRecords;

use crate::ports::{Model, ModelFacts, ModelFailure, NewKeys, Reader};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not signed under the root, altered, or incomplete.
    #[error("the model bundle is refused")]
    Bundle(#[from] BundleError),
    /// The circuit.
    #[error("the bundle's circuit cannot be used")]
    Circuit(#[from] CircuitError),
    /// The cryptographic parameters.
    #[error("the bundle's parameters cannot be used")]
    Parameters(#[from] ParameterError),
    /// Circuit and parameters together.
    #[error("the bundle's circuit does not fit its parameters")]
    Plan(#[from] PlanError),
    /// The golden vectors cannot be read.
    #[error("the bundle's golden vectors cannot be used")]
    Golden(#[from] GoldenError),
    /// A golden vector does not come out on this machine.
    #[error("the bundle or this machine computes wrongly")]
    GoldenMismatch(#[from] GoldenMismatch),
    /// Parts of the bundle contradict each other.
    #[error("the bundle contradicts itself: {what}")]
    Contradiction {
        /// What does not fit.
        what: &'static str,
    },
}

/// A verified model and its cryptography.
#[derive(Debug)]
pub struct TfheModel {
    facts: ModelFacts,
    contract: Contract,
    golden: Golden,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Record(TfheRecords),
    Image(TfheImages),
}

/// A circuit and how it is carried.
#[derive(Debug)]
struct Cryptography {
    circuit: Circuit,
    parameters: ParameterSet,
    plan: Plan,
}

impl TfheModel {
    /// Verifies `bytes` against `root` and takes the model out. Golden images are computed at once, golden records
    /// and patches, which take longer, before keys are made.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn from_bundle(bytes: &[u8], root: &TrustedRoot) -> Result<Self, ModelError> {
        let bundle: Bundle<Verified> = verify(bytes, root)?;
        let contract = bundle.contract()?;
        let circuit = Circuit::from_parts(
            bundle.required_file(file_name::CIRCUIT)?,
            bundle.required_file(file_name::WEIGHTS)?,
        )?;
        let parameters = ParameterSet::from_json(bundle.required_file(file_name::PARAMETERS)?)?;
        let plan = Plan::new(&circuit, &parameters)?;
        let manifest = bundle.manifest();
        let contradiction = |what| ModelError::Contradiction { what };
        if contract.model_id() != manifest.model_id {
            return Err(contradiction("contract and manifest name different models"));
        }
        let bounds = contract.input_bounds();
        let fits = bounds
            .iter()
            .zip(circuit.input_ranges())
            .all(|(&(low, high), range)| range.contains(low) && range.contains(high));
        if bounds.len() != circuit.input_len() || !fits {
            return Err(contradiction("the contract's inputs are not the circuit's"));
        }
        let facts = ModelFacts {
            model_id: manifest.model_id.clone(),
            version: manifest.version.clone(),
            model_hash: bundle.model_hash(),
            security_counter: manifest.security_counter,
            parameter_hash: Digest(parameters.hash()),
            root_fingerprint: root.document().fingerprint(),
        };
        let cryptography = Cryptography {
            circuit,
            parameters,
            plan,
        };
        let golden = Golden::from_json(bundle.required_file(file_name::GOLDEN)?)?;
        let kind = match (contract.reads(), &golden) {
            (Reads::Record(record), Golden::Records(_)) => {
                Kind::Record(TfheRecords::new(record, cryptography)?)
            }
            (Reads::Image(image), Golden::Images { scans, .. }) => {
                let images = TfheImages::new(image, cryptography)?;
                images.check_scans(scans)?;
                Kind::Image(images)
            }
            _ => {
                return Err(contradiction(
                    "the golden vectors are not what the contract reads",
                ));
            }
        };
        Ok(Self {
            facts,
            contract,
            golden,
            kind,
        })
    }

    fn check_golden(&self) -> Result<(), ModelFailure> {
        match (&self.kind, &self.golden) {
            (Kind::Record(records), Golden::Records(vectors)) => records.check_vectors(vectors),
            (Kind::Image(images), Golden::Images { patches, .. }) => images.check_patches(patches),
            // `from_bundle` takes no other pair.
            _ => Ok(()),
        }
    }

    fn cryptography(&self) -> &Cryptography {
        match &self.kind {
            Kind::Record(records) => records.cryptography(),
            Kind::Image(images) => images.cryptography(),
        }
    }
}

impl Cryptography {
    fn keys(&self, secret: &[u8]) -> Result<SecretKeys, ModelFailure> {
        SecretKeys::from_bytes(&self.parameters, secret).map_err(|error| failure("reading keys", error))
    }

    fn decrypt(&self, secret: &[u8], answer: &[u8]) -> Result<Vec<Output>, ModelFailure> {
        let decrypted = self.keys(secret)?.decrypt(&self.plan, answer);
        decrypted.map_err(|error| failure("decrypting", error))
    }
}

fn failure(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> ModelFailure {
    let source = Box::new(error);
    ModelFailure { operation, source }
}

impl Model for TfheModel {
    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn contract(&self) -> ContractView {
        let contract = &self.contract;
        ContractView {
            model_id: contract.model_id().to_owned(),
            title: contract.title().to_owned(),
            intended_use: contract.intended_use().to_owned(),
            not_for: contract.not_for().to_owned(),
            warning: contract.warning().to_owned(),
            licence: contract.licence().map(|licence| LicenceView {
                line: licence.line(),
                text: licence.text().to_owned(),
                non_commercial: licence.non_commercial(),
            }),
            reads: match &self.kind {
                Kind::Record(records) => ReadsView::Record(records.view()),
                Kind::Image(images) => ReadsView::Image(images.view()),
            },
        }
    }

    fn reader(&self) -> Reader<'_> {
        match &self.kind {
            Kind::Record(records) => Reader::Record(records),
            Kind::Image(images) => Reader::Image(images),
        }
    }

    fn generate(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<NewKeys, ModelFailure> {
        self.check_golden()?;
        let failed = |error: ClientError| failure("making keys", error);
        let keys = SecretKeys::generate(&self.cryptography().parameters).map_err(failed)?;
        Ok(NewKeys {
            evaluation_keys: keys.evaluation_keys(progress).map_err(failed)?,
            secret: keys.to_bytes(),
        })
    }

    fn encrypt(&self, secret: &[u8], inputs: &[i64]) -> Result<Vec<u8>, ModelFailure> {
        let failed = |error: CircuitError| failure("encrypting", error);
        let cryptography = self.cryptography();
        cryptography.circuit.check_inputs(inputs).map_err(failed)?;
        let encrypted = cryptography.keys(secret)?.encrypt(&cryptography.plan, inputs);
        encrypted.map_err(|error| failure("encrypting", error))
    }
}
