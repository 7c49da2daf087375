//! Drawing a result: the pixels the model saw, the class of every patch over them, and what was found.
//!
//! The result is a PNG file of 944 pixels' width: left the pixels, right the same under the colours of the map, below
//! the probability of every class and the notes. Colours are those of Okabe and Ito (Color Universal Design, 2008),
//! which people with the common forms of colour blindness tell apart; names stand beside them all the same.

use std::io::Cursor;

use embedded_graphics::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{
        MonoFont, MonoTextStyle,
        iso_8859_1::{FONT_6X10, FONT_8X13, FONT_10X20},
    },
    pixelcolor::{Rgb888, RgbColor, WebColors},
    prelude::{Drawable, Primitive},
    primitives::{PrimitiveStyle, Rectangle},
    text::{Baseline, Text},
};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use obscura_local::{agent::ClassShare, imaging::Drawing};
use zeroize::Zeroizing;

use crate::domain::{ImageError, check_drawing};

const MARGIN: u32 = 16;
/// Side of the pixels as they are drawn.
const FIELD: u32 = 448;
const WIDTH: u32 = 3 * MARGIN + 2 * FIELD;
/// Height of a class with its bar.
const CLASS_ROW: u32 = 22;
const SWATCH: u32 = 14;
const BAR_LEFT: u32 = 2 * MARGIN + FIELD;
/// Length of the bar of a certain class.
const BAR: u32 = FIELD - 64;
const PALETTE: [Rgb888; 8] = [
    Rgb888::new(230, 159, 0),
    Rgb888::new(86, 180, 233),
    Rgb888::new(0, 158, 115),
    Rgb888::new(240, 228, 66),
    Rgb888::new(213, 94, 0),
    Rgb888::new(0, 114, 178),
    Rgb888::new(204, 121, 167),
    Rgb888::new(110, 110, 110),
];
/// Of a patch's colour, what lies over the pixels: this much at probability 0, and this much more at 1.
const TINT: (u32, u32) = (150, 450);
const CAPTIONS: [&str; 2] = [
    "what the model read",
    "most probable class of each patch, the stronger the more probable",
];

/// Draws a result as a PNG file.
///
/// # Errors
/// [`ImageError::MisuseDrawing`] when its numbers do not fit together.
pub fn draw(drawing: &Drawing) -> Result<Vec<u8>, ImageError> {
    check_drawing(drawing)?;
    let title = lines(&drawing.title, &FONT_10X20);
    let paragraph = |note: &String| [lines(note, &FONT_8X13), vec![String::new()]].concat();
    let notes: Vec<String> = drawing.notes.iter().flat_map(paragraph).collect();
    let pictures = MARGIN + height(&title, &FONT_10X20) + MARGIN / 2;
    let captions = pictures + FIELD + MARGIN / 4;
    let classes = captions + FONT_6X10.character_size.height + MARGIN;
    let below = classes + count(drawing.classes.len()) * CLASS_ROW + MARGIN;
    let mut canvas = Canvas::new(WIDTH, below + height(&notes, &FONT_8X13) + MARGIN);
    canvas.paragraph(&title, MARGIN, &FONT_10X20);
    canvas.pixels(drawing, MARGIN, pictures);
    canvas.pixels(drawing, BAR_LEFT, pictures);
    canvas.map(drawing, BAR_LEFT, pictures);
    for (caption, left) in CAPTIONS.iter().zip([MARGIN, BAR_LEFT]) {
        canvas.text(caption, (left, captions), &FONT_6X10, Rgb888::CSS_DIM_GRAY);
    }
    canvas.classes(drawing, classes);
    canvas.paragraph(&notes, below, &FONT_8X13);
    canvas.png()
}

/// Breaks a text between words at the picture's width.
fn lines(text: &str, font: &MonoFont<'_>) -> Vec<String> {
    let columns = (WIDTH - 2 * MARGIN) / (font.character_size.width + font.character_spacing);
    let broken = textwrap::wrap(text, usize::try_from(columns).unwrap_or(1));
    broken.into_iter().map(std::borrow::Cow::into_owned).collect()
}

fn height(lines: &[String], font: &MonoFont<'_>) -> u32 {
    count(lines.len()) * (font.character_size.height + 2)
}

fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

fn colour(class: u32) -> Rgb888 {
    PALETTE[class as usize % PALETTE.len()]
}

/// An RGB picture under way; wiped on drop.
struct Canvas {
    width: u32,
    height: u32,
    rgb: Zeroizing<Vec<u8>>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let rgb = Zeroizing::new(vec![u8::MAX; 3 * (width * height) as usize]);
        Self { width, height, rgb }
    }

    /// The levels of one pixel; `None` outside.
    fn at(&mut self, x: u32, y: u32) -> Option<&mut [u8]> {
        let inside = x < self.width && y < self.height;
        let at = 3 * (y as usize * self.width as usize + x as usize);
        inside.then(|| &mut self.rgb[at..at + 3])
    }

    /// The pixels of the drawing, enlarged or reduced to the field without inventing any.
    fn pixels(&mut self, drawing: &Drawing, left: u32, top: u32) {
        for (y, x) in (0..FIELD).flat_map(|y| (0..FIELD).map(move |x| (y, x))) {
            let [from_y, from_x] = [y, x].map(|at| (at * drawing.side / FIELD) as usize);
            let from = 3 * (from_y * drawing.side as usize + from_x);
            if let Some(pixel) = self.at(left + x, top + y) {
                pixel.copy_from_slice(&drawing.rgb[from..from + 3]);
            }
        }
    }

    /// Every patch under the colour of its class, with its name in the corner.
    fn map(&mut self, drawing: &Drawing, left: u32, top: u32) {
        let rows = drawing.rows;
        let edge = |number: u32| number * FIELD / rows;
        let places = (0..rows).flat_map(|row| (0..rows).map(move |column| (row, column)));
        for ((row, column), (class, permille)) in places.zip(&drawing.map) {
            let tint = TINT.0 + TINT.1 * u32::from(*permille) / 1000;
            for y in edge(row)..edge(row + 1) {
                for x in edge(column)..edge(column + 1) {
                    let border = x == edge(column) || y == edge(row);
                    self.blend(
                        (left + x, top + y),
                        colour(*class),
                        if border { 1000 } else { tint },
                    );
                }
            }
            let name = drawing
                .classes
                .get(*class as usize)
                .map_or("", |class| &class.name);
            let corner = (left + edge(column) + 3, top + edge(row) + 2);
            // A light edge keeps it legible on dark skin and dark lesions alike.
            for (x, y) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
                self.text(
                    name,
                    (corner.0 + x - 1, corner.1 + y - 1),
                    &FONT_6X10,
                    Rgb888::WHITE,
                );
            }
            self.text(name, corner, &FONT_6X10, Rgb888::BLACK);
        }
    }

    /// Every class, the most probable first, with a bar.
    fn classes(&mut self, drawing: &Drawing, top: u32) {
        let mut classes: Vec<(u32, &ClassShare)> = (0..).zip(&drawing.classes).collect();
        classes.sort_by_key(|(_, class)| std::cmp::Reverse(class.permille));
        for (row, (place, class)) in (0..).zip(classes) {
            let y = top + row * CLASS_ROW;
            let bar = (BAR * u32::from(class.permille) / 1000).max(1);
            self.fill((MARGIN, y), (SWATCH, SWATCH), colour(place));
            self.fill((BAR_LEFT, y), (bar, SWATCH), colour(place));
            let label = format!("{} ({})", class.label, class.name);
            let columns = (BAR_LEFT - 3 * MARGIN) / FONT_8X13.character_size.width;
            let label: String = label.chars().take(columns as usize).collect();
            self.text(&label, (MARGIN + SWATCH + 8, y), &FONT_8X13, Rgb888::BLACK);
            let percent = format!("{}.{} %", class.permille / 10, class.permille % 10);
            self.text(&percent, (BAR_LEFT + bar + 6, y), &FONT_8X13, Rgb888::BLACK);
        }
    }

    /// Mixes `permille` of a colour into a pixel.
    fn blend(&mut self, (x, y): (u32, u32), colour: Rgb888, permille: u32) {
        let Some(pixel) = self.at(x, y) else { return };
        for (level, over) in pixel.iter_mut().zip([colour.r(), colour.g(), colour.b()]) {
            let mixed = (u32::from(*level) * (1000 - permille) + u32::from(over) * permille) / 1000;
            *level = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
    }

    fn fill(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), colour: Rgb888) {
        let area = Rectangle::new(point(x, y), Size::new(width, height));
        let drawn = area.into_styled(PrimitiveStyle::with_fill(colour)).draw(self);
        let Ok(()) = drawn;
    }

    fn text(&mut self, text: &str, (x, y): (u32, u32), font: &MonoFont<'_>, colour: Rgb888) {
        let style = MonoTextStyle::new(font, colour);
        let drawn = Text::with_baseline(text, point(x, y), style, Baseline::Top).draw(self);
        let Ok(_next) = drawn;
    }

    fn paragraph(&mut self, lines: &[String], top: u32, font: &MonoFont<'_>) {
        for (number, line) in (0..).zip(lines) {
            let y = top + number * (font.character_size.height + 2);
            self.text(line, (MARGIN, y), font, Rgb888::BLACK);
        }
    }

    fn png(&self) -> Result<Vec<u8>, ImageError> {
        let mut file = Cursor::new(Vec::new());
        let written = PngEncoder::new(&mut file).write_image(
            &self.rgb,
            self.width,
            self.height,
            ExtendedColorType::Rgb8,
        );
        let failed = |_| ImageError::MisuseDrawing {
            what: "the picture cannot be encoded",
        };
        written.map_err(failed).map(|()| file.into_inner())
    }
}

fn point(x: u32, y: u32) -> Point {
    let coordinate = |at: u32| i32::try_from(at).unwrap_or(i32::MAX);
    Point::new(coordinate(x), coordinate(y))
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(pixel) = self.at(x, y)
            {
                pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
