//! The link against a fake box; time and carrier are the test's.

mod bundle;
mod pair;
mod streamed;
mod wanted;

use std::time::Duration;

use obscura_local::agent::{LinkCommand, LinkEvent, OfflineCause, ResumedJob, Wanted};
use obscura_protocol::{
    envelope,
    identity::{JobId, SiteId},
    job::{Signed, Ticket},
    message::{BoxMessage, DeviceMessage, KeyState, Phase, Refusal},
    transfer::{ChunkSet, MAX_CHUNK_BYTES},
};

use super::{DropReason, Event};
use pair::{CLIENT, JOB, KEYS, Pair, answer, identity, item, name, object, only_messages, ticket};

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one conversation from its first word to its last"
)]
fn carries_keys_and_a_job_and_reports_each_step() {
    let mut pair = Pair::new();
    pair.command(LinkCommand::UseKeys { object: object() });
    pair.submit(JOB);
    let hello = only_messages(pair.event(Event::Up));
    assert_eq!(
        pair.welcome(&hello),
        [DeviceMessage::KeyStatus { client: CLIENT }]
    );
    assert_eq!(
        pair.state(KeyState::Missing),
        [DeviceMessage::Offer { object: object() }]
    );
    let chunks = ChunkSet::from_ascending([0, 1]);
    assert_eq!(
        pair.say(&BoxMessage::Want {
            object: KEYS,
            chunks,
            have: 0
        }),
        []
    );
    let lengths = [MAX_CHUNK_BYTES as usize, 10];
    for (index, len_bytes) in (0..).zip(lengths) {
        let chunk = LinkCommand::Chunk {
            object: KEYS,
            index,
            bytes: vec![0; len_bytes],
        };
        assert!(matches!(&pair.command(chunk)[..], [DeviceMessage::Chunk { .. }]));
    }
    let sent = pair.say(&BoxMessage::Stored { object: KEYS });
    let [DeviceMessage::Submit { ticket: bytes }] = &sent[..] else {
        panic!("{sent:?}")
    };
    let signed = Signed::<Ticket>::verify(bytes, &identity(1).public()).unwrap();
    assert_eq!(*signed.statement(), ticket(JOB));
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(JOB)]);
    let phase = Phase::Computing { done: 1, of: 2 };
    pair.say(&BoxMessage::Progress {
        job: JOB,
        index: 0,
        phase,
    });
    pair.say(&answer(JOB));
    pair.say(&answer(JOB));
    assert_eq!(
        pair.dropped,
        [DropReason::Unasked],
        "the second answer is not delivered"
    );
    let full = u64::from(MAX_CHUNK_BYTES);
    assert_eq!(
        pair.told,
        [
            LinkEvent::Online,
            LinkEvent::Session,
            LinkEvent::Uploading {
                done_bytes: 0,
                of_bytes: full + 10
            },
            LinkEvent::NeedChunk {
                object: KEYS,
                index: 0
            },
            LinkEvent::NeedChunk {
                object: KEYS,
                index: 1
            },
            LinkEvent::Uploading {
                done_bytes: full,
                of_bytes: full + 10
            },
            LinkEvent::Uploading {
                done_bytes: full + 10,
                of_bytes: full + 10
            },
            LinkEvent::KeysStored {
                sent_bytes: full + 10
            },
            LinkEvent::Sent {
                job: JOB,
                sent_bytes: 100
            },
            LinkEvent::Progress {
                job: JOB,
                index: 0,
                phase
            },
            LinkEvent::Answer {
                job: JOB,
                index: 0,
                bytes: vec![8; 10],
                receipt: vec![9; 10]
            },
        ]
    );
    assert_eq!(pair.kept.len(), 1);
    assert!(
        pair.forgotten.is_empty(),
        "the journal keeps the job until its result was shown"
    );
    assert_eq!(pair.command(LinkCommand::Settle { job: JOB }), []);
    assert_eq!(pair.forgotten, [JOB]);
    assert_eq!(pair.command(LinkCommand::Close), [DeviceMessage::Goodbye]);
}

#[test]
fn a_second_run_finds_the_keys_and_sends_none() {
    let pair = Pair::ready();
    assert_eq!(
        pair.told,
        [LinkEvent::Online, LinkEvent::Session, LinkEvent::KeysFound]
    );
}

#[test]
fn after_a_lost_connection_the_same_bytes_are_sent_again() {
    let mut pair = Pair::submitted();
    let cause = OfflineCause::Unreachable;
    let retry_in = Duration::from_secs(2);
    pair.event(Event::Down { cause, retry_in });
    assert_eq!(
        pair.told.last(),
        Some(&LinkEvent::Offline {
            cause,
            retry_in_ms: 2000
        })
    );
    assert_eq!(pair.pass(3600), [], "nothing is sent while there is no way");
    let hello = only_messages(pair.event(Event::Up));
    pair.welcome(&hello);
    let sent = pair.state(KeyState::Stored { object: KEYS });
    assert_eq!(
        sent,
        [DeviceMessage::Submit {
            ticket: pair.kept[0].ticket.as_bytes().to_vec()
        }]
    );
    assert_eq!(pair.say(&BoxMessage::Accepted { job: JOB }), [item(JOB)]);
    pair.say(&answer(JOB));
    assert!(matches!(pair.told.last(), Some(LinkEvent::Answer { .. })));
}

#[test]
fn an_unknown_session_opens_another_and_then_slows_down() {
    let mut pair = Pair::submitted();
    let unknown = BoxMessage::Refused {
        sequence: 4,
        code: Refusal::UnknownSession,
        job: None,
    };
    let hello = pair.say_opening(&unknown);
    pair.welcome(&hello);
    let hello = pair.say_opening(&unknown);
    assert!(matches!(&hello[..], [DeviceMessage::Hello { .. }]), "{hello:?}");
    pair.welcome(&hello);
    assert_eq!(pair.say_opening(&unknown), [], "the third time it pauses first");
    assert!(matches!(
        pair.told.last(),
        Some(LinkEvent::Delayed {
            code: Refusal::UnknownSession,
            ..
        })
    ));
    let hello = pair.pass(5);
    pair.welcome(&hello);
    assert_eq!(pair.state(KeyState::Stored { object: KEYS }).len(), 1);
    let hello = pair.refuse(Refusal::UnknownSession, None);
    assert!(
        matches!(&hello[..], [DeviceMessage::Hello { .. }]),
        "inside a session, too"
    );
}

#[test]
fn unknown_keys_are_offered_again_and_the_job_follows() {
    let mut pair = Pair::ready();
    pair.submit(JOB);
    pair.submit(JobId([6; 16]));
    assert_eq!(pair.refuse(Refusal::UnknownKey, Some(JOB)), []);
    assert_eq!(pair.refuse(Refusal::UnknownKey, Some(JobId([6; 16]))), []);
    assert_eq!(pair.pass(2), [DeviceMessage::KeyStatus { client: CLIENT }]);
    assert_eq!(
        pair.state(KeyState::Missing),
        [DeviceMessage::Offer { object: object() }]
    );
    assert_eq!(pair.say(&BoxMessage::Stored { object: KEYS }).len(), 2);
}

#[test]
fn keys_the_box_could_not_store_are_offered_again() {
    for code in [Refusal::Internal, Refusal::HashMismatch] {
        let mut pair = Pair::ready();
        pair.submit(JOB);
        pair.refuse(code, None);
        assert!(
            matches!(pair.told.last(), Some(LinkEvent::Delayed { .. })),
            "{:?}",
            pair.told
        );
        assert_eq!(pair.pass(1), [DeviceMessage::KeyStatus { client: CLIENT }]);
        assert_eq!(
            pair.state(KeyState::Missing),
            [DeviceMessage::Offer { object: object() }]
        );
    }
}

#[test]
fn keys_the_box_keeps_losing_are_given_up() {
    let mut pair = Pair::ready();
    pair.submit(JOB);
    for _ in 0..5 {
        pair.refuse(Refusal::UnknownKey, Some(JOB));
        assert_eq!(pair.pass(40).len(), 1);
        assert_eq!(pair.state(KeyState::Stored { object: KEYS }).len(), 1);
    }
    pair.refuse(Refusal::UnknownKey, Some(JOB));
    let code = Refusal::UnknownKey;
    assert_eq!(pair.told.last(), Some(&LinkEvent::Refused { code }));
}

#[test]
fn a_full_box_is_asked_again_with_growing_pauses() {
    let mut pair = Pair::ready();
    pair.submit(JOB);
    for pause in [1, 2, 4] {
        assert_eq!(pair.refuse(Refusal::Busy, Some(JOB)), []);
        let code = Refusal::Busy;
        assert_eq!(
            pair.told.last(),
            Some(&LinkEvent::Delayed {
                code,
                retry_in_ms: pause * 1000
            })
        );
        assert_eq!(pair.link.deadline(), Some(pair.now + Duration::from_secs(pause)));
        assert_eq!(pair.pass(pause).len(), 1);
    }
}

#[test]
fn replayed_and_unexpected_are_ignored() {
    let mut pair = Pair::submitted();
    let told = pair.told.len();
    assert_eq!(pair.refuse(Refusal::Replayed, None), []);
    assert_eq!(pair.refuse(Refusal::UnexpectedChunk, None), []);
    assert_eq!(pair.told.len(), told);
}

#[test]
fn a_job_the_box_forgot_or_failed_is_sent_again_a_few_times() {
    for code in [Refusal::UnknownJob, Refusal::Internal] {
        let mut pair = Pair::submitted();
        for _ in 0..5 {
            assert_eq!(pair.refuse(code, Some(JOB)), []);
            assert_eq!(pair.pass(30).len(), 1, "submitted again");
        }
        pair.refuse(code, Some(JOB));
        assert_eq!(pair.told.last(), Some(&LinkEvent::JobRefused { job: JOB, code }));
        assert!(pair.forgotten.is_empty(), "the command line settles it");
    }
}

#[test]
fn every_other_refusal_of_a_job_is_final_and_typed() {
    for code in [
        Refusal::Malformed,
        Refusal::TooLarge,
        Refusal::UnknownModel,
        Refusal::BadTicket,
        Refusal::BadCiphertext,
        Refusal::NonConforming,
    ] {
        let mut pair = Pair::submitted();
        pair.refuse(code, Some(JOB));
        assert_eq!(pair.told.last(), Some(&LinkEvent::JobRefused { job: JOB, code }));
        assert_eq!(pair.pass(0), []);
    }
}

#[test]
fn a_refusal_without_a_job_is_understood_by_its_sequence() {
    let mut pair = Pair::ready();
    let sent = pair.event(Event::Command(LinkCommand::Submit {
        ticket: ticket(JOB),
        items: vec![vec![7; 100]],
        wanted: Wanted::default(),
    }));
    let [(sequence, _)] = sent[..] else {
        panic!("{sent:?}")
    };
    let code = Refusal::UnknownModel;
    pair.say(&BoxMessage::Refused {
        sequence,
        code,
        job: None,
    });
    assert_eq!(pair.told.last(), Some(&LinkEvent::JobRefused { job: JOB, code }));
}

#[test]
fn refused_keys_and_refused_devices_end_the_attempt() {
    let mut pair = Pair::ready();
    let code = Refusal::NonConforming;
    pair.refuse(code, None);
    assert_eq!(pair.told.last(), Some(&LinkEvent::Refused { code }));
    let mut pair = Pair::new();
    pair.event(Event::Up);
    let code = Refusal::UnknownDevice;
    pair.say_opening(&BoxMessage::Refused {
        sequence: 1,
        code,
        job: None,
    });
    assert_eq!(pair.told.last(), Some(&LinkEvent::Refused { code }));
    assert_eq!(pair.pass(3600), []);
}

#[test]
fn a_hello_that_was_damaged_on_the_way_is_said_again() {
    let mut pair = Pair::new();
    pair.event(Event::Up);
    let code = Refusal::BadSignature;
    let unread = BoxMessage::Refused {
        sequence: 0,
        code,
        job: None,
    };
    for pause in [2, 8] {
        pair.say_opening(&unread);
        let retry_in_ms = 1000 * pause;
        assert_eq!(pair.told.last(), Some(&LinkEvent::Delayed { code, retry_in_ms }));
        let hello = pair.pass(pause);
        assert!(matches!(&hello[..], [DeviceMessage::Hello { .. }]), "{hello:?}");
    }
    pair.say_opening(&unread);
    assert_eq!(
        pair.told.last(),
        Some(&LinkEvent::Refused { code }),
        "a device whose key the box does not know hears of it in the end"
    );
}

#[test]
fn a_silent_box_is_greeted_again_with_growing_pauses() {
    let mut pair = Pair::new();
    pair.event(Event::Up);
    for wait in [2, 4, 8] {
        assert_eq!(pair.pass(wait - 1), []);
        let hello = pair.pass(1);
        assert!(
            matches!(&hello[..], [DeviceMessage::Hello { .. }]),
            "after {wait} s: {hello:?}"
        );
        let retry_in_ms = 2000 * wait;
        assert_eq!(pair.told.last(), Some(&LinkEvent::BoxSilent { retry_in_ms }));
    }
}

#[test]
fn a_box_that_falls_silent_over_a_job_gets_it_again_in_a_new_session() {
    let mut pair = Pair::submitted();
    assert_eq!(pair.pass(29), []);
    let phase = Phase::Queued { ahead: 3 };
    pair.say(&BoxMessage::Progress {
        job: JOB,
        index: 0,
        phase,
    });
    assert_eq!(pair.pass(29), [], "a sign of life prolongs the wait");
    let hello = pair.pass(1);
    pair.welcome(&hello);
    assert_eq!(pair.state(KeyState::Stored { object: KEYS }).len(), 1);
}

#[test]
fn no_more_jobs_are_under_way_than_the_box_takes() {
    let mut pair = Pair::ready();
    let jobs = [1, 2, 3].map(|n| JobId([n; 16]));
    let sent: usize = jobs.iter().map(|job| pair.submit(*job).len()).sum();
    assert_eq!(sent, 2);
    pair.say(&BoxMessage::Accepted { job: jobs[0] });
    assert_eq!(
        pair.say(&answer(jobs[0])).len(),
        1,
        "an answer makes room for the third"
    );
}

#[test]
fn a_job_that_waits_for_room_wakes_nobody() {
    let mut pair = Pair::ready();
    for job in [1, 2, 3].map(|n| JobId([n; 16])) {
        pair.submit(job);
    }
    let patience = Duration::from_secs(10);
    assert_eq!(
        pair.link.deadline(),
        Some(pair.now + patience),
        "the next thing due is an answer to a ticket"
    );
}

#[test]
fn forged_replayed_and_foreign_frames_are_dropped() {
    let mut pair = Pair::submitted();
    let session = pair.box_side.as_mut().unwrap();
    let header = session.next_header();
    let payload = answer(JOB).encode();
    let good = envelope::seal(&header, &payload, &identity(2));
    let forged = envelope::seal(&header, &payload, &identity(3));
    let mut altered = good.clone();
    altered[40] ^= 1;
    let mut foreign = header.clone();
    foreign.recipient = name("device-2");
    let foreign = envelope::seal(&foreign, &payload, &identity(2));
    let garbage = envelope::seal(&header, b"\xff\xff", &identity(2));
    for frame in [forged, altered, foreign, Vec::new(), vec![0; 400_000], garbage] {
        pair.event(Event::Frame(frame));
    }
    assert_eq!(pair.dropped.len(), 6);
    assert!(!matches!(pair.told.last(), Some(LinkEvent::Answer { .. })));
    let header = pair.box_side.as_mut().unwrap().next_header();
    let good = envelope::seal(&header, &payload, &identity(2));
    pair.event(Event::Frame(good.clone()));
    assert!(matches!(pair.told.last(), Some(LinkEvent::Answer { .. })));
    pair.event(Event::Frame(good));
    assert_eq!(pair.dropped.last(), Some(&DropReason::OutOfSession));
}

#[test]
fn a_welcome_to_an_older_hello_is_dropped() {
    let mut pair = Pair::new();
    let old = only_messages(pair.event(Event::Up));
    pair.pass(2);
    assert_eq!(pair.welcome(&old), []);
    assert_eq!(pair.dropped, [DropReason::Unasked]);
}

#[test]
fn tickets_of_another_site_or_device_are_not_signed() {
    let mut pair = Pair::ready();
    let mut other = ticket(JOB);
    other.site = SiteId([8; 16]);
    let mut another = ticket(JOB);
    another.device = name("device-2");
    let mut uncounted = ticket(JOB);
    uncounted.items = 2;
    for ticket in [other, another, uncounted] {
        assert_eq!(
            pair.command(LinkCommand::Submit {
                ticket,
                items: vec![Vec::new()],
                wanted: Wanted::default(),
            }),
            []
        );
        let code = Refusal::BadTicket;
        assert_eq!(pair.told.last(), Some(&LinkEvent::JobRefused { job: JOB, code }));
    }
    assert!(pair.kept.is_empty());
}

#[test]
fn a_resumed_journal_is_submitted_once_the_keys_are_there() {
    let mut first = Pair::ready();
    first.submit(JOB);
    let mut pair = Pair::ready();
    let sent = only_messages(pair.event(Event::Journal(first.kept.clone())));
    assert_eq!(
        sent,
        [DeviceMessage::Submit {
            ticket: first.kept[0].ticket.as_bytes().to_vec()
        }]
    );
    let resumed = ResumedJob {
        job: JOB,
        items: vec![0],
    };
    assert_eq!(
        pair.told.last(),
        Some(&LinkEvent::Resumed { jobs: vec![resumed] })
    );
}

#[test]
fn settling_an_unanswered_job_withdraws_it() {
    let mut pair = Pair::submitted();
    let sent = pair.command(LinkCommand::Settle { job: JOB });
    assert_eq!(sent, [DeviceMessage::Cancel { job: JOB }]);
}
