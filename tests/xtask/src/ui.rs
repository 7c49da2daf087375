//! What a verb prints for people: numbered steps, plain lines, tables.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Instant,
};

/// Prints one line. A closed output is not worth failing for.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Bold where the output is a terminal.
pub(crate) fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Counts steps and times them.
#[derive(Debug)]
pub(crate) struct Steps {
    of: usize,
    done: Vec<(String, f64)>,
    current: Option<(String, Instant)>,
}

impl Steps {
    /// `of` steps will follow.
    pub(crate) fn new(of: usize) -> Self {
        Self {
            of,
            done: Vec::new(),
            current: None,
        }
    }

    /// Ends the step before and announces the next: a title, and what happens in it.
    pub(crate) fn next(&mut self, title: &str, what: &str) {
        self.end();
        let number = self.done.len() + 1;
        say(&format!(
            "\n{}  {what}",
            bold(&format!("[{number}/{}] {title}", self.of))
        ));
        self.current = Some((title.to_owned(), Instant::now()));
    }

    /// Ends the current step and prints how long it took.
    pub(crate) fn end(&mut self) {
        if let Some((title, seconds)) = self.finish() {
            say(&format!("      {title}: {seconds:.1} s"));
        }
    }

    /// Ends the current step without a word.
    pub(crate) fn finish(&mut self) -> Option<(String, f64)> {
        let (title, start) = self.current.take()?;
        self.done.push((title, start.elapsed().as_secs_f64()));
        self.done.last().cloned()
    }

    /// Titles and seconds of the steps that ended.
    pub(crate) fn times(&self) -> &[(String, f64)] {
        &self.done
    }

    /// Seconds of all steps that ended.
    pub(crate) fn total_s(&self) -> f64 {
        self.done.iter().map(|(_, seconds)| seconds).sum()
    }
}

/// Prints rows as columns: the first left-aligned, the others right-aligned, under a rule.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(head.get(column).map(|cell| cell.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let aligned = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        format!("  {}", aligned.collect::<Vec<_>>().join("  "))
    };
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    say(&bold(&line(&head)));
    for row in rows {
        say(&line(row));
    }
}

/// A number of bytes as people read it.
pub(crate) fn bytes(count: u64) -> String {
    let (mib, rest) = (count / (1 << 20), count % (1 << 20));
    match count {
        0..10_000 => format!("{count} B"),
        10_000..1_048_576 => format!("{}.{} KiB", count / 1024, count % 1024 * 10 / 1024),
        _ => format!("{mib}.{} MiB", rest * 10 / (1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_unit_people_expect() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(20_480), "20.0 KiB");
        assert_eq!(bytes(63 * 1024 * 1024 + 512 * 1024), "63.5 MiB");
    }
}
