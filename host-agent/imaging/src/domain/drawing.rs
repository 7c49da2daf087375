//! What of a drawing must fit together before a pixel of it is drawn.

use obscura_local::imaging::Drawing;

use super::ImageError;

const MAX_SIDE: u32 = 2048;
const MAX_ROWS: u32 = 64;
const MAX_CLASSES: usize = 32;
/// Longest title, labels and notes together, bytes.
const MAX_TEXT_BYTES: usize = 8192;

/// Checks a drawing.
///
/// # Errors
/// [`ImageError::MisuseDrawing`].
pub fn check_drawing(drawing: &Drawing) -> Result<(), ImageError> {
    let refused = |what| Err(ImageError::MisuseDrawing { what });
    let square = |side: u32| side as usize * side as usize;
    if !(1..=MAX_SIDE).contains(&drawing.side) || drawing.rgb.len() != 3 * square(drawing.side) {
        return refused("the pixels are not those of a square");
    }
    if !(1..=MAX_ROWS).contains(&drawing.rows) || drawing.map.len() != square(drawing.rows) {
        return refused("the patches are not those of a square");
    }
    let classes = drawing.classes.len();
    if classes == 0 || classes > MAX_CLASSES {
        return refused("there are no classes, or too many");
    }
    let shares = drawing.classes.iter().map(|class| class.permille);
    let known = drawing.map.iter().all(|(class, _)| (*class as usize) < classes);
    if !known
        || drawing
            .map
            .iter()
            .map(|(_, share)| *share)
            .chain(shares)
            .any(|share| share > 1000)
    {
        return refused("a patch has an unknown class, or a probability is above one");
    }
    let labels = drawing
        .classes
        .iter()
        .map(|class| class.label.len() + class.name.len());
    let notes = drawing.notes.iter().map(String::len);
    if labels.chain(notes).sum::<usize>() + drawing.title.len() > MAX_TEXT_BYTES {
        return refused("the texts are too long");
    }
    Ok(())
}
