//! TLS 1.3 with a client certificate and one authority, and what its errors mean.

use std::{error::Error, io, sync::Arc};

use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::MqttOptions;
use crate::CarrierError;

/// The client side of every connection.
pub(super) fn client_config(options: &MqttOptions) -> Result<Arc<ClientConfig>, CarrierError> {
    let mut roots = RootCertStore::empty();
    let (added, ignored) =
        roots.add_parsable_certificates(certificates(&options.ca_pem).ok_or(CarrierError::ConfigAuthority)?);
    if added == 0 || ignored > 0 {
        return Err(CarrierError::ConfigAuthority);
    }
    let chain = certificates(&options.certificate_pem).ok_or(CarrierError::ConfigCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(&options.key_pem).or(Err(CarrierError::ConfigKey))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(CarrierError::ConfigTls)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(CarrierError::ConfigTls)?;
    // Every connection checks both certificates anew.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!chain.is_empty()).then_some(chain)
}

/// Whether TLS is what failed, however deep the library wrapped it.
pub(super) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| is_tls(inner)) {
            return true;
        }
        next = error.source();
    }
    false
}
