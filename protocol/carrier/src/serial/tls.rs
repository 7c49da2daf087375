//! TLS 1.3 between the two ends of a cable, with the certificates the members of a site have for the broker.
//!
//! Those certificates are all client certificates whose common name is the member's name. The box is the
//! server of the handshake; so each end checks the other's certificate as a client's of the site's one
//! authority, and the device also that the name is its box's.

use std::sync::Arc;

use obscura_protocol::identity::PeerName;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::{
    Certificate,
    der::{
        Decode,
        asn1::{PrintableStringRef, Utf8StringRef},
        oid::ObjectIdentifier,
    },
};

use super::End;
use crate::{
    CarrierError,
    tls::{Credentials, provider},
};

/// `commonName` (RFC 4519).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// TLS wants a server name; this one is neither sent nor checked.
const PLACE_HOLDER: &str = "cable.invalid";

/// What every handshake of one end needs.
#[derive(Clone, Debug)]
pub(super) enum Config {
    Box(Arc<ServerConfig>),
    Device(Arc<ClientConfig>, PeerName),
}

impl Config {
    pub(super) fn new(own: &Credentials<'_>, end: &End) -> Result<Self, CarrierError> {
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(own.roots()?), provider())
            .build()
            .or(Err(CarrierError::ConfigAuthority))?;
        match end {
            End::Box => {
                let mut config = ServerConfig::builder_with_provider(provider())
                    .with_protocol_versions(&[&rustls::version::TLS13])
                    .map_err(CarrierError::ConfigTls)?
                    .with_client_cert_verifier(clients)
                    .with_single_cert(own.chain()?, own.private_key()?)
                    .map_err(CarrierError::ConfigTls)?;
                // Every connection checks both certificates anew.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                Ok(Self::Box(Arc::new(config)))
            }
            End::Device { box_name } => {
                let box_only = BoxOnly {
                    members: clients,
                    name: box_name.clone(),
                };
                let mut config = ClientConfig::builder_with_provider(provider())
                    .with_protocol_versions(&[&rustls::version::TLS13])
                    .map_err(CarrierError::ConfigTls)?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(box_only))
                    .with_client_auth_cert(own.chain()?, own.private_key()?)
                    .map_err(CarrierError::ConfigTls)?;
                config.resumption = Resumption::disabled();
                config.enable_sni = false;
                Ok(Self::Device(Arc::new(config), box_name.clone()))
            }
        }
    }

    /// A new handshake.
    pub(super) fn connection(&self) -> Result<rustls::Connection, Error> {
        Ok(match self {
            Self::Box(config) => rustls::ServerConnection::new(Arc::clone(config))?.into(),
            Self::Device(config, _) => {
                let name = ServerName::try_from(PLACE_HOLDER).or(Err(Error::General(String::new())))?;
                rustls::ClientConnection::new(Arc::clone(config), name)?.into()
            }
        })
    }

    /// Who is at the other end of a finished handshake; `None` when its certificate names no member.
    pub(super) fn peer(&self, connection: &rustls::Connection) -> Option<PeerName> {
        let certificate = connection.peer_certificates()?.first()?;
        let name = member_name(certificate)?;
        match self {
            Self::Box(_) => Some(name),
            Self::Device(_, box_name) => (name == *box_name).then_some(name),
        }
    }
}

/// The member a certificate is for: its one common name, in the form of a member's name.
fn member_name(certificate: &CertificateDer<'_>) -> Option<PeerName> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let mut names = certificate
        .tbs_certificate()
        .subject()
        .iter()
        .filter(|attribute| attribute.oid == COMMON_NAME);
    let (Some(name), None) = (names.next(), names.next()) else {
        return None;
    };
    let utf8 = name.value.decode_as::<Utf8StringRef<'_>>();
    let text = utf8.map(|text| text.as_str().to_owned()).or_else(|_| {
        let printable = name.value.decode_as::<PrintableStringRef<'_>>();
        printable.map(|text| text.as_str().to_owned())
    });
    text.ok()?.parse().ok()
}

/// Accepts a member of the site as server when its certificate carries the box's name.
#[derive(Debug)]
struct BoxOnly {
    members: Arc<dyn ClientCertVerifier>,
    name: PeerName,
}

impl ServerCertVerifier for BoxOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.members.verify_client_cert(end_entity, intermediates, now)?;
        if member_name(end_entity).as_ref() == Some(&self.name) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.members.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.members.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.members.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn named(names: &[(DnType, DnValue)]) -> Option<PeerName> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let key = KeyPair::generate().unwrap();
        member_name(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn reads_the_common_name_and_nothing_that_is_no_member_name() {
        let common = |text: &str| vec![(DnType::CommonName, DnValue::Utf8String(text.to_owned()))];
        assert_eq!(named(&common("device-1")).unwrap().as_str(), "device-1");
        let printable = DnValue::PrintableString("device-2".try_into().unwrap());
        assert_eq!(
            named(&[(DnType::CommonName, printable)]).unwrap().as_str(),
            "device-2"
        );
        for wrong in ["", "Device-1", "device 1", "a/b", "a\0b", "+", &"a".repeat(300)] {
            assert_eq!(named(&common(wrong)), None, "{wrong}");
        }
        let elsewhere = DnValue::Utf8String("device-1".to_owned());
        assert_eq!(named(&[(DnType::OrganizationName, elsewhere)]), None);
        assert_eq!(named(&[]), None);
        assert_eq!(
            member_name(&CertificateDer::from(vec![0x30, 0x80, 1, 2, 3])),
            None
        );
    }
}
