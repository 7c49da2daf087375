//! A member's certificate, key and authority, TLS 1.3 with them, and what its errors mean.

use std::{error::Error, io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::CarrierError;

/// The files of one member of a site, PEM.
pub(crate) struct Credentials<'a> {
    /// The only authority trusted.
    pub(crate) ca: &'a [u8],
    /// Own certificate chain.
    pub(crate) certificate: &'a [u8],
    /// Own private key (PKCS#8 or SEC1).
    pub(crate) key: &'a [u8],
}

impl Credentials<'_> {
    pub(crate) fn roots(&self) -> Result<RootCertStore, CarrierError> {
        let mut roots = RootCertStore::empty();
        let authorities = certificates(self.ca).ok_or(CarrierError::ConfigAuthority)?;
        let (added, ignored) = roots.add_parsable_certificates(authorities);
        if added == 0 || ignored > 0 {
            return Err(CarrierError::ConfigAuthority);
        }
        Ok(roots)
    }

    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CarrierError> {
        certificates(self.certificate).ok_or(CarrierError::ConfigCertificate)
    }

    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, CarrierError> {
        PrivateKeyDer::from_pem_slice(self.key).or(Err(CarrierError::ConfigKey))
    }
}

/// The algorithms of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The client side of every connection to a broker.
pub(crate) fn client_config(own: &Credentials<'_>) -> Result<Arc<ClientConfig>, CarrierError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(CarrierError::ConfigTls)?
        .with_root_certificates(own.roots()?)
        .with_client_auth_cert(own.chain()?, own.private_key()?)
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
pub(crate) fn is_tls(error: &(dyn Error + 'static)) -> bool {
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
