//! What is in a verified bundle, for people who sign, carry or install one.

use std::fmt::Write;

use crate::{Bundle, Contract, TrustedRoot, Verified};

/// Lists what the manifest says, who signed, the licence and the files, one line each.
pub fn describe(bundle: &Bundle<Verified>, contract: &Contract, root: &TrustedRoot) -> String {
    let (manifest, root) = (bundle.manifest(), root.document());
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(out, "model          {} {}", manifest.model_id, manifest.version);
    let _ = writeln!(out, "model hash     {}", bundle.model_hash());
    let _ = writeln!(out, "counter        {}", manifest.security_counter);
    let _ = writeln!(out, "scheme         {}", manifest.scheme);
    let _ = writeln!(out, "hardware       {}", manifest.hardware);
    let _ = match manifest.max_protocol {
        u16::MAX => writeln!(out, "protocol       {} or later", manifest.min_protocol),
        max => writeln!(out, "protocol       {} to {max}", manifest.min_protocol),
    };
    let _ = writeln!(
        out,
        "root           {} (version {})",
        root.fingerprint(),
        root.version()
    );
    for signer in bundle.claimed_signers() {
        let note = match root.find(&signer) {
            Some(key) if key.max_counter < manifest.security_counter => "its limit is below the counter",
            Some(_) => "verified",
            None if root.revokes(&signer) => "revoked, does not count",
            None => "not in this root, not checked",
        };
        let _ = writeln!(out, "signed by      {signer} ({note})");
    }
    match contract.licence() {
        Some(licence) => {
            let _ = writeln!(out, "licence        {}", licence.line());
            let _ = writeln!(out, "               {}", licence.text());
        }
        None => out.push_str("licence        not stated by the contract, see card.md\n"),
    }
    for file in &manifest.files {
        let _ = writeln!(
            out,
            "file           {:<20} {:>9} bytes  {:.16}",
            file.name, file.len_bytes, file.digest
        );
    }
    let _ = writeln!(out, "bundle         {} bytes", bundle.as_bytes().len());
    out
}
