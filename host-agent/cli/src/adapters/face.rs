//! Progress on standard error: bars at a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ports::{Activity, Face};

/// Plain lines about one activity come this often.
const PLAIN_PAUSE: Duration = Duration::from_millis(1500);

/// The face that fits standard error.
pub(crate) fn face() -> Box<dyn Face> {
    if stderr().is_terminal() {
        Box::new(BarFace { bar: None })
    } else {
        Box::new(PlainFace { last: None })
    }
}

fn title(activity: Activity) -> &'static str {
    match activity {
        Activity::Box => "waiting for the box",
        Activity::Keys => "making keys",
        Activity::Upload => "uploading evaluation keys",
        Activity::Model => "sending the model",
        Activity::Answers => "waiting for answers",
        Activity::Images => "reading images",
    }
}

struct BarFace {
    bar: Option<(Activity, ProgressBar)>,
}

impl BarFace {
    fn style(activity: Activity) -> ProgressStyle {
        let figures = match activity {
            Activity::Upload | Activity::Model => "{bytes}/{total_bytes}",
            Activity::Box => "",
            Activity::Keys | Activity::Answers | Activity::Images => "{pos}/{len}",
        };
        let template = format!("  {{prefix:26}} [{{bar:30}}] {figures} {{elapsed}} {{msg}}");
        let style = ProgressStyle::with_template(&template);
        style
            .unwrap_or_else(|_template| ProgressStyle::default_bar())
            .progress_chars("=> ")
    }
}

impl Face for BarFace {
    fn note(&mut self, text: &str) {
        match &self.bar {
            Some((_, bar)) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn progress(&mut self, activity: Activity, done: u64, of: u64, detail: &str) {
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != activity) {
            self.finished();
            let bar = ProgressBar::with_draw_target(Some(of), ProgressDrawTarget::stderr());
            bar.set_style(Self::style(activity));
            bar.set_prefix(title(activity));
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some((activity, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(detail.to_owned());
        }
    }

    fn finished(&mut self) {
        match self.bar.take() {
            Some((Activity::Answers | Activity::Box | Activity::Images, bar)) => bar.finish_and_clear(),
            Some((_, bar)) => bar.finish(),
            None => {}
        }
    }
}

struct PlainFace {
    /// The activity, when it began, and when a line about it was last written.
    last: Option<(Activity, Instant, Instant)>,
}

impl Face for PlainFace {
    fn note(&mut self, text: &str) {
        eprintln!("{text}");
    }

    fn progress(&mut self, activity: Activity, done: u64, of: u64, detail: &str) {
        let now = Instant::now();
        let began = match self.last {
            Some((shown, began, written)) if shown == activity => {
                if now - written < PLAIN_PAUSE {
                    return;
                }
                began
            }
            _ => now,
        };
        self.last = Some((activity, began, now));
        let figures = match activity {
            Activity::Upload | Activity::Model => format!("{} of {}", HumanBytes(done), HumanBytes(of)),
            _ if of == 0 => String::new(),
            _ => format!("{done} of {of}"),
        };
        let seconds = (now - began).as_secs();
        eprintln!(
            "{}",
            format!("{} {figures} {detail}", title(activity))
                .trim_end()
                .to_owned()
                + &after(seconds)
        );
    }

    fn finished(&mut self) {
        self.last = None;
    }
}

fn after(seconds: u64) -> String {
    if seconds == 0 {
        String::new()
    } else {
        format!(" ({seconds} s)")
    }
}
