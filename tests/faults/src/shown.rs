//! What the agent showed, read back from its standard output as a person would read it.
//!
//! Failure model: a text that was cut off gives what is whole in it.

/// One entry of the agent's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A record with its result.
    Answered(Answered),
    /// A record that will have no result, with the reason.
    Failed {
        /// The record's name, or `job 01234567` when the agent does not know it any more.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Shown {
    /// The record's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Answered(answered) => &answered.name,
            Self::Failed { name, .. } => name,
        }
    }
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The record's name.
    pub(crate) name: String,
    /// Calibrated probability for the score minus and plus the table error, in tenths of a percent.
    pub(crate) bounds_per_mille: [u32; 2],
    /// The decision's label.
    pub(crate) decision: String,
    /// Whether the agent saw another score than its own in the clear.
    pub(crate) other_score: bool,
    /// First 8 digits of the hash of the encrypted record: one job.
    pub(crate) input: String,
    /// First 8 digits of the hash of the answer.
    pub(crate) answer: String,
}

/// Every whole entry in `text`, in order.
pub(crate) fn parse(text: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    // An entry is an empty line, the name, and indented lines; the table at the end has no indented lines.
    for entry in text.split("\n\n").map(|entry| entry.trim_start_matches('\n')) {
        let Some((name, body)) = entry.split_once('\n') else {
            continue;
        };
        if !body.starts_with("  ") {
            continue;
        }
        let failed = field(body, "NO RESULT").map(|reason| Shown::Failed {
            name: name.to_owned(),
            reason: reason.to_owned(),
        });
        let answered = || answered(name, body).or_else(|| found(name, body));
        shown.extend(failed.or_else(|| answered().map(Shown::Answered)));
    }
    shown
}

/// The text behind a label, on its line.
fn field<'a>(body: &'a str, label: &str) -> Option<&'a str> {
    body.lines()
        .find_map(|line| line.strip_prefix("  ")?.strip_prefix(label))
        .map(str::trim)
}

fn answered(name: &str, body: &str) -> Option<Answered> {
    // One decimal is shown: without its point, tenths of a percent.
    let number = |text: &str| text.trim().replace('.', "").parse::<u32>().ok();
    let (_, rest) = field(body, "probability")?.split_once(" %")?;
    let (low, rest) = rest.split_once("(between ")?.1.split_once(" %")?;
    let (high, _) = rest.split_once("and ")?.1.split_once(" %")?;
    let receipt = field(body, "receipt")?;
    let hash = |label: &str| {
        let digits: String = receipt.split_once(label)?.1.chars().take(8).collect();
        (digits.len() == 8).then_some(digits)
    };
    Some(Answered {
        name: name.to_owned(),
        bounds_per_mille: [number(low)?, number(high)?],
        decision: field(body, "decision")?.to_owned(),
        other_score: field(body, "in the clear").is_some_and(|text| text.contains("OTHER SCORE")),
        input: hash("input ")?,
        answer: hash("answer ")?,
    })
}

/// The result of an image: its job stands for the input, what was found for the answer.
fn found(name: &str, body: &str) -> Option<Answered> {
    let finding = field(body, "finding")?;
    let (count, receipts) = field(body, "receipts")?.split_once(" for job ")?;
    let job: String = receipts.chars().take(8).collect();
    // Every class with its share: what differs in a patch that counts differs here.
    let classes = field(body, "classes")?;
    Some(Answered {
        name: name.to_owned(),
        bounds_per_mille: [0, 1000],
        decision: count.split(' ').next()?.to_owned(),
        other_score: field(body, "in the clear").is_none_or(|text| text.contains("OTHER FINDING")),
        input: job,
        answer: format!("{finding} of {classes}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_by_its_job_and_what_was_found() {
        let text = "\ns7.jpg\n  finding       Melanoma (mel), 41.7 %\n                A text.\n  \
            classes       mel 41.7 %, nv 58.3 %\n  patches       mel mel\n  \
            in the clear  same finding; outputs differ by 0.92 of the predicted deviation, at most 3.1\n  \
            receipts      49 signed by box-1 for job 0123abcd: derm-tiny 03402689, counter 1\n  warning       None\n";
        let shown = parse(text);
        let [Shown::Answered(answered)] = &shown[..] else {
            panic!("{shown:?}")
        };
        assert_eq!(
            (&*answered.name, &*answered.input, &*answered.decision),
            ("s7.jpg", "0123abcd", "49")
        );
        assert!(!answered.other_score && answered.answer.contains("nv 58.3"));
        assert!(
            matches!(&parse(&text.replace("same finding", "OTHER FINDING"))[0], Shown::Answered(a) if a.other_score)
        );
    }

    const TEXT: &str = "\nr1\n  probability   0.3 %  (between 0.2 % and 0.5 %: table error of at most 3 entries)\n  \
        decision      Below the threshold\n                A text.\n  \
        in the clear  0.3 %, same score  (computed on this device, not by the box)\n  \
        receipt       signed by box-1: cardio-lr 12345678, counter 1, floor none, input aaaaaaaa, answer \
        bbbbbbbb, keys cccccccc\n  warning       Not a medical device\n\n\
        job 01234567\n  NO RESULT     the box refused: busy\n";

    #[test]
    fn results_and_failures_are_read_and_tables_are_not() {
        let table = "\nstep                                bytes           ms\nupload 0 -\n";
        let shown = parse(&(TEXT.to_owned() + table));
        let [Shown::Answered(answered), Shown::Failed { name, reason }] = &shown[..] else {
            panic!("{shown:?}")
        };
        assert_eq!(answered.name, "r1");
        assert_eq!(answered.bounds_per_mille, [2, 5]);
        assert_eq!(answered.decision, "Below the threshold");
        assert_eq!(
            (answered.input.as_str(), answered.answer.as_str()),
            ("aaaaaaaa", "bbbbbbbb")
        );
        assert!(!answered.other_score);
        assert_eq!(
            (name.as_str(), reason.as_str()),
            ("job 01234567", "the box refused: busy")
        );
        assert!(
            matches!(&parse(&TEXT.replace("same score", "OTHER SCORE"))[0], Shown::Answered(a) if a.other_score)
        );
    }

    #[test]
    fn a_text_that_was_cut_off_gives_what_is_whole() {
        let end = TEXT.find("answer").unwrap();
        assert_eq!(parse(&TEXT[..end]), vec![]);
        assert_eq!(parse(""), vec![]);
    }
}
