//! Files of integers: the same as on a device, whole or not there at all.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../../../host-agent/imaging/tests/common/mod.rs"]
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{GREY, RGB, RGBA, jpeg, jpeg_turned, picture, png, png_file, png_turned, stored_as};
use obscura_bundle::Contract;
use obscura_imaging::{Recipe, read};
use obscura_patches::{Extent, Reader, write};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const REAL: &str = "../../tests/fixtures/images/ISIC_0028696.jpg";
const CONTRACT: &str = "../shipped/stand-in/derm-vgg11/payload/contract.json";

/// A folder with a contract, and pictures beside it.
struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("pictures")).unwrap();
        fs::copy(CONTRACT, home.path().join("contract.json")).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn put(&self, name: &str, file: &[u8]) -> PathBuf {
        let path = self.path("pictures").join(name);
        fs::write(&path, file).unwrap();
        path
    }

    fn program(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_obscura-patches"));
        program.current_dir(self.home.path());
        program.args(["--contract", "contract.json", "--out", "out.npy"]);
        program.args(arguments).output().unwrap()
    }

    /// Exit code and last line on standard error.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.program(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        (
            output.status.code().unwrap(),
            text.lines().last().unwrap_or_default().to_owned(),
        )
    }

    /// Shape and integers of what was written, and the list.
    fn written(&self) -> (Vec<usize>, Vec<i8>, Value) {
        let list: Value = serde_json::from_slice(&fs::read(self.path("out.json")).unwrap()).unwrap();
        let bytes = fs::read(self.path("out.npy")).unwrap();
        assert_eq!(list["integers_sha256"], hex(&bytes));
        let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 10;
        let shape = list["shape"].as_array().unwrap();
        let shape = shape
            .iter()
            .map(|size| usize::try_from(size.as_u64().unwrap()).unwrap());
        let integers = bytes[header..].iter().map(|byte| byte.cast_signed()).collect();
        (shape.collect(), integers, list)
    }

    fn nothing_written(&self) {
        let mut names: Vec<String> = fs::read_dir(self.home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["contract.json", "pictures"]);
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

/// What the agent encrypts of a file: its image process reads the pixels, its vault makes integers of them.
fn on_a_device(file: &[u8]) -> Vec<i8> {
    let contract = Contract::from_json(&fs::read(CONTRACT).unwrap()).unwrap();
    let image = contract.image().unwrap();
    let pixels = read(file, Recipe::new(image.side(), image.crop()).unwrap()).unwrap();
    let patches = image.quantise(pixels.rgb()).unwrap();
    patches
        .iter()
        .flat_map(|patch| patch.iter().map(|value| i8::try_from(*value).unwrap()))
        .collect()
}

#[test]
fn pictures_of_all_sizes_give_the_integers_of_the_device() {
    let desk = Desk::new();
    let files = [
        ("a.jpg", jpeg(&picture(600, 450))),
        ("b.png", png(&picture(450, 600))),
        ("c.jpg", jpeg_turned(&stored_as(&picture(600, 451), 6), 6)),
        ("d.png", png_turned(&stored_as(&picture(451, 600), 3), 3)),
        ("e.jpg", jpeg(&picture(4000, 3000))),
        ("f.png", png(&picture(224, 224))),
        ("g.jpg", fs::read(REAL).unwrap()),
    ];
    for (name, file) in &files {
        desk.put(name, file);
    }
    let output = desk.program(&["pictures"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (shape, integers, list) = desk.written();
    assert_eq!(shape, [7, 49, 3, 32, 32]);
    for ((name, file), got) in files.iter().zip(integers.chunks_exact(49 * 3 * 32 * 32)) {
        assert!(got == on_a_device(file), "{name}");
    }
    assert_eq!(list["contract_sha256"], hex(&fs::read(CONTRACT).unwrap()));
    assert_eq!(
        list["images"][2],
        json!({"name": "c.jpg", "width": 600, "height": 451})
    );
}

/// Training of the models that ship read these; they may only change together with the models.
#[test]
fn a_real_image_gives_the_integers_of_the_first_release() {
    let desk = Desk::new();
    let list = desk.path("pictures/list.txt");
    let real = fs::canonicalize(REAL).unwrap();
    fs::write(&list, format!("{}\n", real.display())).unwrap();
    assert!(desk.program(&["--list", "pictures/list.txt"]).status.success());
    let (_, integers, _) = desk.written();
    let bytes: Vec<u8> = integers.iter().map(|value| value.cast_unsigned()).collect();
    assert_eq!(
        hex(&bytes),
        "948d45374887ec56964e3515e000ea68e4608fe9f2feb2ce1d85c0df9560171f"
    );
}

#[test]
fn the_patches_lie_in_the_middle_of_the_whole_square() {
    let desk = Desk::new();
    let pictures = [
        desk.put("a.png", &png(&picture(300, 400))),
        desk.put("b.png", &png(&picture(288, 288))),
    ];
    let reader = |extent| Reader::new(&desk.path("contract.json"), extent).unwrap();
    write(
        &reader(Extent::Whole),
        &pictures,
        &desk.path("out.npy"),
        &mut |_| {},
    )
    .unwrap();
    let (shape, whole, list) = desk.written();
    assert_eq!(shape, [2, 3, 288, 288]);
    assert_eq!(list["contract_sha256"], reader(Extent::Patches).contract_sha256());
    write(
        &reader(Extent::Patches),
        &pictures,
        &desk.path("out.npy"),
        &mut |_| {},
    )
    .unwrap();
    let (_, patches, _) = desk.written();
    for (at, value) in patches.iter().enumerate() {
        let (x, y, channel) = (at % 32, at / 32 % 32, at / 1024 % 3);
        let (patch, image) = (at / 3072 % 49, at / 3072 / 49);
        let (row, column) = (32 + patch / 7 * 32 + y, 32 + patch % 7 * 32 + x);
        assert_eq!(
            *value,
            whole[((image * 3 + channel) * 288 + row) * 288 + column],
            "{at}"
        );
    }
}

#[test]
fn a_picture_that_cannot_be_used_is_named_and_nothing_is_written() {
    let size = (300, 250);
    let printing = {
        let mut file = jpeg(&picture(300, 250));
        let at = file.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        file[at + 9] = 4;
        file
    };
    let bad: [(&str, Vec<u8>, &str); 9] = [
        (
            "grey.png",
            png_file(size, GREY, 8, &[], &vec![5; 300 * 250]),
            "the picture is greyscale",
        ),
        (
            "alpha.png",
            png_file(size, RGBA, 8, &[], &vec![5; 300 * 250 * 4]),
            "transparent",
        ),
        ("cmyk.jpg", printing, "printing colours (CMYK)"),
        (
            "moving.png",
            png_file(
                size,
                RGB,
                8,
                &[(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])],
                &vec![5; 300 * 250 * 3],
            ),
            "an animation",
        ),
        (
            "bomb.png",
            png_file((60_000, 60_000), RGB, 8, &[], &[1, 2, 3]),
            "at most 12000x12000",
        ),
        (
            "words.jpg",
            b"not a picture".to_vec(),
            "no picture that can be recognised",
        ),
        (
            "cut.jpg",
            jpeg(&picture(300, 250))[..5000].to_vec(),
            "damaged or incomplete",
        ),
        ("empty.jpg", Vec::new(), "the file is empty"),
        (
            "small.png",
            png(&picture(223, 300)),
            "its shorter side needs at least 224",
        ),
    ];
    for (name, file, words) in bad {
        let desk = Desk::new();
        desk.put("a good one.png", &png(&picture(240, 260)));
        desk.put(name, &file);
        let (code, text) = desk.refused(&["pictures"]);
        assert_eq!(code, 65, "{text}");
        assert!(
            text.contains(&format!("pictures/{name}: ")) && text.contains(words),
            "{text}"
        );
        desk.nothing_written();
    }
}

#[test]
fn what_was_written_before_stays_when_a_run_fails() {
    let desk = Desk::new();
    desk.put("a.png", &png(&picture(240, 260)));
    assert!(desk.program(&["pictures"]).status.success());
    let before = [desk.path("out.npy"), desk.path("out.json")].map(|path| fs::read(path).unwrap());
    desk.put("b.png", b"\x89PNG");
    assert_eq!(desk.refused(&["pictures"]).0, 65);
    let after = [desk.path("out.npy"), desk.path("out.json")].map(|path| fs::read(path).unwrap());
    assert!(before == after);
}

#[test]
fn problems_of_the_command_line_and_of_files_have_their_own_codes() {
    let desk = Desk::new();
    assert_eq!(desk.refused(&["pictures"]).0, 2, "an empty folder");
    assert_eq!(desk.refused(&[]).0, 2);
    let (code, text) = desk.refused(&["pictures/none.jpg"]);
    assert!(code == 74 && text.contains("pictures/none.jpg: "), "{text}");
    let (code, text) = desk.refused(&[
        "--whole",
        desk.put("a.png", &png(&picture(287, 300))).to_str().unwrap(),
    ]);
    assert!(code == 65 && text.contains("needs at least 288"), "{text}");
    desk.nothing_written();
}

#[test]
fn contracts_that_cannot_be_followed_are_refused() {
    let desk = Desk::new();
    desk.put("a.png", &png(&picture(240, 260)));
    let mut contract: Value = serde_json::from_slice(&fs::read(CONTRACT).unwrap()).unwrap();
    contract["image"]["scale"] = json!(60);
    let refused = |text: &str| {
        fs::write(desk.path("contract.json"), text).unwrap();
        let (code, text) = desk.refused(&["pictures"]);
        assert!(code == 65 && text.contains("contract.json"), "{code} {text}");
        text
    };
    assert!(refused(&contract.to_string()).contains("integers of 8 bits"));
    assert!(refused("{}").contains("JSON"));
    let records = Path::new("../shipped/cardio-lr/payload/contract.json");
    assert!(refused(&fs::read_to_string(records).unwrap()).contains("reads records"));
    desk.nothing_written();
}
