//! Which pictures are meant.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::PatchesError;

/// The pictures of `paths`, where a folder means all files in it by name, then those that the lines of `list` name,
/// relative to its folder. Hidden files and folders in folders are left out; nothing else is.
///
/// # Errors
/// [`PatchesError::Io`], [`PatchesError::MisuseSameName`], [`PatchesError::MisuseNoPictures`].
pub fn pictures(paths: &[PathBuf], list: Option<&Path>) -> Result<Vec<PathBuf>, PatchesError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(in_folder(path)?);
        } else {
            found.push(path.clone());
        }
    }
    if let Some(list) = list {
        let text = fs::read_to_string(list).map_err(io(list))?;
        let around = list.parent().unwrap_or_else(|| Path::new(""));
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        found.extend(lines.map(|line| around.join(line)));
    }
    if found.is_empty() {
        return Err(PatchesError::MisuseNoPictures);
    }
    each_once(&found)?;
    Ok(found)
}

/// The name under which a picture is listed: its file's.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PatchesError {
    let path = path.to_owned();
    |source| PatchesError::Io { path, source }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, PatchesError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if !name(&path).starts_with('.') && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn each_once(found: &[PathBuf]) -> Result<(), PatchesError> {
    let mut seen = BTreeMap::new();
    for path in found {
        if let Some(first) = seen.insert(name(path), path) {
            return Err(PatchesError::MisuseSameName {
                first: first.clone(),
                second: path.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_files_by_name_and_a_list_those_it_names() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for file in ["b.jpg", "a.png", ".hidden"] {
            fs::write(home.join(file), "").unwrap();
        }
        fs::create_dir(home.join("inner")).unwrap();
        let list = home.join("inner/list.txt");
        fs::write(&list, "c.jpg\n\n ../d.jpg \n").unwrap();
        let found = pictures(&[home.to_owned()], Some(&list)).unwrap();
        let names: Vec<String> = found.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["a.png", "b.jpg", "c.jpg", "d.jpg"]);
        assert_eq!(found[2], home.join("inner/c.jpg"));
    }

    #[test]
    fn one_name_twice_and_nothing_at_all_are_refused() {
        let twice = pictures(&["x/a.jpg".into(), "y/a.jpg".into()], None).unwrap_err();
        assert_eq!(twice.to_string(), "x/a.jpg and y/a.jpg have the same name");
        let home = tempfile::tempdir().unwrap();
        let none = pictures(&[home.path().to_owned()], None).unwrap_err();
        assert!(matches!(none, PatchesError::MisuseNoPictures));
        let missing = pictures(&[], Some(&home.path().join("list"))).unwrap_err();
        assert!(matches!(missing, PatchesError::Io { .. }));
    }
}
