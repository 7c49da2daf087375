//! Images: read, opened a few at a time, and encrypted item by item as answers come back.
//!
//! So that neither this device nor the box holds more than a few items, however many there are.

use std::{collections::VecDeque, path::PathBuf, time::Instant};

use obscura_local::agent::{ImageView, LinkCommand, OpenJob, VaultReply, VaultRequest, VaultStatus};
use obscura_protocol::job::Ticket;

use super::{
    VaultExt,
    run::{Open, Run, UNEXPECTED, Waiting},
};
use crate::{
    error::CliError,
    ports::{Activity, Face, Images},
};

/// Images under way at once: while the last items of one are computed, the next one's are there.
const IMAGES_AHEAD: usize = 2;
/// Items of one image at the link and the box at once.
const ITEMS_AHEAD: usize = 16;

/// An image file and what the user calls it.
#[derive(Clone, Debug)]
pub(crate) struct NamedImage {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Images that were not opened yet.
pub(super) struct Pending<'a> {
    images: VecDeque<NamedImage>,
    read: Option<(&'a mut dyn Images, &'a ImageView)>,
}

impl Pending<'_> {
    pub(super) fn none() -> Self {
        Self {
            images: VecDeque::new(),
            read: None,
        }
    }

    /// Items they will have.
    pub(super) fn items(&self) -> u64 {
        let each = self.read.as_ref().map_or(0, |(_, view)| u64::from(view.patches));
        self.images.len() as u64 * each
    }
}

/// Reads every image before the first is encrypted; needs no password.
///
/// # Errors
/// [`CliError::DeviceBadImages`] with everything that is wrong with any of them.
pub(crate) fn check_images(
    images: &mut dyn Images,
    view: &ImageView,
    named: &[NamedImage],
    face: &mut dyn Face,
) -> Result<(), CliError> {
    let mut bad = Vec::new();
    for (done, NamedImage { path, .. }) in named.iter().enumerate() {
        face.progress(Activity::Images, done as u64, named.len() as u64, "");
        match images.pixels(path, view) {
            Ok(_) => {}
            Err(CliError::DeviceImage { path, text }) => bad.push((path, text)),
            Err(error) => {
                face.finished();
                return Err(error);
            }
        }
    }
    face.finished();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(CliError::DeviceBadImages(bad))
    }
}

impl Run<'_> {
    /// Encrypts and sends images, which were checked, and waits for all results.
    ///
    /// # Errors
    /// [`CliError`]; what was shown until then is in the report.
    pub(crate) fn scans(
        &mut self,
        status: &VaultStatus,
        named: Vec<NamedImage>,
        images: &mut dyn Images,
        view: &ImageView,
    ) -> Result<(), CliError> {
        self.use_keys(status)?;
        let mut waiting = Waiting::new(Pending {
            images: named.into(),
            read: Some((images, view)),
        });
        self.wait(&mut waiting)
    }

    /// Opens the next images while few are under way.
    pub(super) fn open_pending(&mut self, waiting: &mut Waiting<'_>) -> Result<(), CliError> {
        while waiting.open.len() < IMAGES_AHEAD
            && let Some((images, view)) = &mut waiting.pending.read
            && let Some(NamedImage { name, path }) = waiting.pending.images.pop_front()
        {
            let began = Instant::now();
            let (pixels, items) = (images.pixels(&path, view)?, view.patches);
            let label = name.clone();
            let ticket = self.ticket(VaultRequest::OpenScan { label, pixels })?;
            let place = self.report_open(name, items);
            self.report.jobs[place].encrypt_time = began.elapsed();
            let mut open = Open::new(place, 0, 0);
            open.unsent = (0..items).collect();
            waiting.open.insert(ticket.job, open);
            self.announce(ticket)?;
            waiting.moved = Instant::now();
        }
        Ok(())
    }

    fn ticket(&mut self, request: VaultRequest) -> Result<Ticket, CliError> {
        match self.vault.request(request)? {
            VaultReply::Ticket { ticket } => Ok(ticket),
            _ => Err(UNEXPECTED),
        }
    }

    /// Hands a job to the link whose items follow.
    fn announce(&mut self, ticket: Ticket) -> Result<(), CliError> {
        let wanted = self.wanted;
        self.link.tell(LinkCommand::Submit {
            ticket,
            items: Vec::new(),
            wanted,
        })
    }

    /// Encrypts one more item of the first image of which few are under way; whether there was one.
    pub(super) fn feed(&mut self, waiting: &mut Waiting<'_>) -> Result<bool, CliError> {
        let wants = |open: &Open| open.under_way < ITEMS_AHEAD && !open.unsent.is_empty();
        let open = waiting.open.iter_mut().filter(|(_, open)| wants(open));
        let Some((job, open)) = open.min_by_key(|(_, open)| open.place) else {
            return Ok(false);
        };
        let Some(index) = open.unsent.pop_front() else {
            return Ok(false);
        };
        let (job, began) = (*job, Instant::now());
        let bytes = match self.vault.request(VaultRequest::EncryptItem { job, index }) {
            Ok(VaultReply::Item(bytes)) => bytes,
            Ok(_) => return Err(UNEXPECTED),
            Err(error) => return self.job_failed(job, error, waiting).map(|()| true),
        };
        open.under_way += 1;
        let report = &mut self.report.jobs[open.place];
        report.encrypt_time += began.elapsed();
        report.request_bytes += bytes.len() as u64;
        self.link.tell(LinkCommand::Item { job, index, bytes })?;
        waiting.moved = Instant::now();
        Ok(true)
    }

    /// Takes up an image of an earlier run; `there` are its items at the link, `None` when the link never got it.
    pub(super) fn resume_scan(
        &mut self,
        open: &OpenJob,
        there: Option<&[u32]>,
        waiting: &mut Waiting<'_>,
    ) -> Result<(), CliError> {
        let job = open.job;
        let place = self.report_open(format!("job {job:.8}"), open.items);
        let left = u32::try_from(open.unanswered.len()).unwrap_or(u32::MAX);
        let mut taken = Open::new(place, 0, open.items.saturating_sub(left));
        if left == 0 {
            waiting.open.insert(job, taken);
            return match self.vault.request(VaultRequest::ScanResult { job }) {
                Ok(VaultReply::ScanOutcome(outcome)) => self.scan_shown(job, outcome, waiting),
                Ok(_) => Err(UNEXPECTED),
                Err(error) => self.job_failed(job, error, waiting),
            };
        }
        let there = if let Some(items) = there {
            items
        } else {
            match self.ticket(VaultRequest::Ticket { job }) {
                Ok(ticket) => self.announce(ticket)?,
                Err(error) => {
                    waiting.open.insert(job, taken);
                    return self.job_failed(job, error, waiting);
                }
            }
            &[]
        };
        for index in 0..open.items {
            if !open.unanswered.contains(&index) {
                self.link.tell(LinkCommand::SettleItem { job, index })?;
            } else if there.contains(&index) {
                taken.under_way += 1;
            } else {
                taken.unsent.push_back(index);
            }
        }
        waiting.open.insert(job, taken);
        Ok(())
    }
}
