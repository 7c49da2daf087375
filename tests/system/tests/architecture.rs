//! The walls of ARCHITECTURE.md, read from the dependency graph and the sources.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use obscura_system_tests::repository;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .other_options(vec![
            "--locked".to_owned(),
            "--filter-platform=x86_64-unknown-linux-gnu".to_owned(),
        ])
        .exec()
        .unwrap()
}

/// Names of everything linked into `package`, itself included; development dependencies do not count.
fn linked_into(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id: &PackageId| metadata[id].name.to_string();
    let root = metadata
        .workspace_members
        .iter()
        .find(|id| name(id) == package)
        .unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let linked = |dependency: &&cargo_metadata::NodeDep| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            };
            open.extend(
                nodes[id]
                    .deps
                    .iter()
                    .filter(linked)
                    .map(|dependency| &dependency.pkg),
            );
        }
    }
    seen.into_iter().map(name).collect()
}

/// Workspace packages whose manifest names `library` among the dependencies of what ships.
fn direct_users(metadata: &Metadata, library: &str) -> BTreeSet<String> {
    let names = |package: &&cargo_metadata::Package| {
        let mut dependencies = package.dependencies.iter();
        dependencies.any(|d| d.name == library && d.kind == DependencyKind::Normal)
    };
    metadata
        .workspace_packages()
        .into_iter()
        .filter(names)
        .map(|p| p.name.to_string())
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn the_box_never_links_the_code_that_can_decrypt() {
    let metadata = metadata();
    for package in ["obscura-box", "obscura-gate", "obscura-compute", "obscura-trust"] {
        assert!(
            !linked_into(&metadata, package).contains("obscura-fhe-client"),
            "{package}"
        );
    }
}

#[test]
fn one_crate_on_each_side_names_tfhe() {
    assert_eq!(
        direct_users(&metadata(), "tfhe"),
        set([
            "obscura-bench",
            "obscura-bench-integers",
            "obscura-fhe-client",
            "obscura-fhe-server"
        ])
    );
}

#[test]
fn each_process_links_only_what_its_side_of_the_wall_needs() {
    let metadata = metadata();
    let fhe = [
        "tfhe",
        "obscura-fhe-core",
        "obscura-fhe-client",
        "obscura-fhe-server",
    ];
    let network = ["rumqttc-v5-next", "rustls", "tokio", "obscura-carrier"];
    let model = ["obscura-bundle", "obscura-circuit"];
    let pictures = ["obscura-imaging", "image", "png", "zune-jpeg"];
    let walls: [(&str, &[&[&str]]); 10] = [
        ("obscura-gate", &[&fhe, &model]),
        ("obscura-trust", &[&fhe, &network]),
        ("obscura-compute", &[&network]),
        ("obscura-vault", &[&network, &pictures, &["obscura-fhe-server"]]),
        ("obscura-imaging", &[&fhe, &network, &model]),
        ("obscura-link", &[&fhe, &model, &pictures]),
        (
            "obscura-agent",
            &[&fhe, &network, &pictures, &["obscura-circuit"]],
        ),
        ("obscura-sign", &[&network]),
        ("obscura-patches", &[&fhe, &network, &["obscura-circuit"]]),
        (
            "obscura-provision",
            &[&fhe, &["rumqttc-v5-next", "tokio", "obscura-carrier"]],
        ),
    ];
    for (package, forbidden) in walls {
        let linked = linked_into(&metadata, package);
        let wrong: Vec<_> = forbidden
            .iter()
            .flat_map(|names| names.iter())
            .filter(|n| linked.contains(**n))
            .collect();
        assert!(wrong.is_empty(), "{package} links {wrong:?}");
    }
}

#[test]
fn one_crate_names_the_mqtt_library() {
    assert_eq!(
        direct_users(&metadata(), "rumqttc-v5-next"),
        set(["obscura-carrier"])
    );
}

/// Rooms by level: a package may only use packages of lower levels.
const LEVELS: [&[&str]; 6] = [
    &["protocol", "models/circuit"],
    &[
        "protocol/local",
        "protocol/carrier",
        "protocol/sealed-file",
        "models/bundle",
        "models/fhe-core",
    ],
    &[
        "models/fhe-client",
        "models/fhe-server",
        "models/compile",
        "appliance/process",
        "host-agent/process",
    ],
    &[
        "appliance/gate",
        "appliance/compute",
        "appliance/trust",
        "host-agent/imaging",
        "host-agent/vault",
        "host-agent/link",
        "provisioning/sign",
        "provisioning/technician",
    ],
    &["appliance/box", "host-agent/cli", "models/patches"],
    &[
        "tests/system",
        "tests/bench",
        "tests/bench/integers",
        "tests/faults",
        "tests/bench/transport",
        "tests/simulation",
        "tests/xtask",
    ],
];

/// Uses across sides that are meant: training reads pictures through the device's own code, or it would train on other
/// integers than a device encrypts. The program that does is linked into nothing.
const ACROSS: [(&str, &str); 1] = [("models/patches", "host-agent/imaging")];

#[test]
fn dependencies_point_downwards_and_never_between_box_agent_and_provisioning() {
    let metadata = metadata();
    let workspace = metadata.workspace_root.clone();
    let room = |package: &cargo_metadata::Package| {
        let folder = package.manifest_path.parent().unwrap();
        folder.strip_prefix(&workspace).unwrap().to_string()
    };
    let level = |room: &str| {
        LEVELS
            .iter()
            .position(|rooms| rooms.contains(&room))
            .unwrap_or_else(|| panic!("{room} has no level"))
    };
    let side = |room: &str| room.split('/').next().unwrap().to_owned();
    let rooms: BTreeMap<String, String> = metadata
        .workspace_packages()
        .into_iter()
        .map(|p| (p.name.to_string(), room(p)))
        .collect();
    for package in metadata.workspace_packages() {
        let from = &rooms[package.name.as_str()];
        let linked = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        for to in linked.filter_map(|dependency| rooms.get(&dependency.name)) {
            let (a, b) = (side(from), side(to));
            let upwards = level(to) > level(from) || (level(to) == level(from) && a != "tests" && a != b);
            let sideways = a != b && a != "tests" && !["protocol", "models"].contains(&b.as_str());
            let meant = ACROSS.contains(&(from.as_str(), to.as_str()));
            assert!(!upwards && (!sideways || meant), "{from} may not use {to}");
        }
    }
}

#[test]
fn the_wire_types_need_no_operating_system() {
    let tree = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args([
            "tree",
            "--locked",
            "-p",
            "obscura-protocol",
            "-e",
            "normal,features",
            "--prefix",
            "none",
        ])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(tree.status.success());
    let text = String::from_utf8(tree.stdout).unwrap();
    // Macros run on the machine that compiles, so their features say nothing about ours.
    let macros = [
        "thiserror-impl",
        "serde_derive",
        "syn",
        "quote",
        "proc-macro2",
        "unicode-ident",
        "zeroize_derive",
    ];
    let with_std: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("feature \"std\""))
        .filter(|line| !macros.iter().any(|name| line.starts_with(name)))
        .collect();
    assert!(with_std.is_empty(), "{with_std:?}");
    let library = fs::read_to_string(repository().join("protocol/src/lib.rs")).unwrap();
    assert!(library.contains("#![no_std]"));
}

/// Every Rust source file of the repository, relative to its root.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&repository(), &mut found);
    found.sort();
    found
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            // The fuzzing runtime wants its attribute first.
            let first = text
                .lines()
                .find(|line| *line != "#![no_main]")
                .unwrap_or_default();
            !first.starts_with("//! ")
        })
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    let long: Vec<(PathBuf, usize)> = sources()
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn only_adapters_name_a_library() {
    let libraries = [
        "rumqttc",
        "obscura_carrier",
        "rustls",
        "rcgen",
        "tfhe",
        "obscura_fhe_client",
        "obscura_fhe_server",
        "rustix",
        "use image",
        "zune_jpeg",
        "rayon",
        "toml",
        "serde_json",
        "indicatif",
        "rpassword",
        "argon2",
        "aes_gcm",
        "getrandom",
        "signal_hook",
        "std::fs",
        "std::net",
        "std::os",
        "std::process",
        "std::thread::spawn",
    ];
    let mut wrong = Vec::new();
    for path in sources() {
        let inner = path
            .strip_prefix(repository())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let in_rooms = ["appliance/", "host-agent/", "provisioning/"]
            .iter()
            .any(|room| inner.starts_with(room));
        let in_core = ["/src/domain", "/src/ports", "/src/application"]
            .iter()
            .any(|layer| inner.contains(layer));
        if !in_rooms || !in_core {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Unit tests at the end of a file may use what they need.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for library in libraries.iter().filter(|library| {
                line.contains(&format!("{library}::")) || line.contains(&format!("use {library};"))
            }) {
                wrong.push(format!("{inner}: {library}"));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_private_key_is_in_the_repository() {
    let tracked = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(repository())
        .output()
        .unwrap();
    for name in String::from_utf8(tracked.stdout).unwrap().split_terminator('\0') {
        let path = repository().join(name);
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        let marker = ["-----BEGIN", "PRIVATE KEY-----"].join(" ");
        assert!(!text.contains(&marker), "{name}");
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        assert!(
            !["key", "obk", "p12", "pfx"].contains(&extension.as_str()),
            "{name}"
        );
    }
}

#[test]
fn every_test_that_the_specification_names_exists() {
    let specification = fs::read_to_string(repository().join("SPECIFICATION.md")).unwrap();
    let code: String = sources()
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let named = specification.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| {
        name.matches('_').count() >= 2
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    // What is no test is a field of a report, written as text somewhere.
    let exists = |name: &&str| code.contains(&format!("fn {name}(")) || code.contains(&format!("\"{name}\""));
    let missing: Vec<&str> = named.filter(is_test).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
