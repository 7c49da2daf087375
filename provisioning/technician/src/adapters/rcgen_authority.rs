//! A site's certificate authority (RFC 5280) with P-256 keys.
//!
//! The authority may only sign for its own broker's names (name constraints) and nothing below it may sign
//! at all. Its subject is derived from the site id, so that it can be reopened without parsing its
//! certificate.

use std::net::IpAddr;

use obscura_protocol::identity::SiteId;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    domain::site::{LOCAL_NAME, VALIDITY_DAYS},
    ports::{Authorities, Authority, AuthorityError, Issued},
};

/// Authorities on rcgen.
#[derive(Debug)]
pub(crate) struct RcgenAuthorities;

struct RcgenAuthority {
    own: Issued,
    issuer: Issuer<'static, KeyPair>,
}

fn refused(source: rcgen::Error) -> AuthorityError {
    AuthorityError::DeviceIssue {
        source: source.into(),
    }
}

/// Parameters every certificate shares: who, and from yesterday (clocks differ) for the agreed time.
fn parameters(names: Vec<String>, common_name: &str) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(names).map_err(refused)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = params.not_before + Duration::days(VALIDITY_DAYS);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority_parameters(id: SiteId) -> Result<CertificateParams, AuthorityError> {
    let mut params = parameters(Vec::new(), &format!("Obscura site {id}"))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    Ok(params)
}

/// Limits an authority to the names of its own broker.
fn only_for(address: &str) -> NameConstraints {
    let any_of = |address: Option<IpAddr>| match address {
        Some(ip @ IpAddr::V4(_)) => CidrSubnet::from_addr_prefix(ip, 32),
        Some(ip @ IpAddr::V6(_)) => CidrSubnet::from_addr_prefix(ip, 128),
        // No IP address at all: a constraint that only the unspecified address could meet.
        None => CidrSubnet::from_addr_prefix(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 32),
    };
    let ip = address.parse::<IpAddr>().ok();
    let mut permitted_subtrees = vec![
        GeneralSubtree::DnsName(LOCAL_NAME.to_owned()),
        GeneralSubtree::IpAddress(any_of(ip)),
    ];
    if ip.is_none() {
        permitted_subtrees.push(GeneralSubtree::DnsName(address.to_owned()));
    }
    NameConstraints {
        permitted_subtrees,
        excluded_subtrees: Vec::new(),
    }
}

fn issued(certificate: &Certificate, key: &KeyPair) -> Issued {
    Issued {
        certificate: certificate.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    }
}

fn new_key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)
}

impl Authorities for RcgenAuthorities {
    fn create(&self, id: SiteId, address: &str) -> Result<Box<dyn Authority>, AuthorityError> {
        let mut params = authority_parameters(id)?;
        params.name_constraints = Some(only_for(address));
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(refused)?;
        let own = issued(&certificate, &key);
        Ok(Box::new(RcgenAuthority {
            own,
            issuer: Issuer::new(params, key),
        }))
    }

    fn reopen(&self, id: SiteId, own: Issued) -> Result<Box<dyn Authority>, AuthorityError> {
        let key =
            KeyPair::from_pkcs8_pem_and_sign_algo(&own.key, &PKCS_ECDSA_P256_SHA256).map_err(|source| {
                AuthorityError::DeviceKey {
                    source: source.into(),
                }
            })?;
        let issuer = Issuer::new(authority_parameters(id)?, key);
        Ok(Box::new(RcgenAuthority { own, issuer }))
    }
}

impl RcgenAuthority {
    fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, AuthorityError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let mut key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(refused)?;
        let issued = issued(&certificate, &key);
        key.zeroize();
        Ok(issued)
    }
}

impl Authority for RcgenAuthority {
    fn own(&self) -> &Issued {
        &self.own
    }

    fn issue_server(&self, address: &str) -> Result<Issued, AuthorityError> {
        let mut names = vec![address.to_owned()];
        if address != LOCAL_NAME {
            names.push(LOCAL_NAME.to_owned());
        }
        self.issue(
            parameters(names, "Obscura broker")?,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    fn issue_client(&self, name: &str) -> Result<Issued, AuthorityError> {
        self.issue(parameters(Vec::new(), name)?, ExtendedKeyUsagePurpose::ClientAuth)
    }
}
