//! Lanes, deadlines, outlooks and dead letters.

use std::time::Duration;

use obscura_local::appliance::ItemFault;
use obscura_protocol::{
    identity::JobId,
    message::{BoxMessage, Lane, Refusal},
};

use super::fixture::{Device, Out, World, answer_to, item, model};
use crate::ports::{Event, Task};

const SECOND: Duration = Duration::from_secs(1);

/// A device of version 2 with keys under the client id `client`.
fn ready(world: &mut World, name: &str, client: u8) -> Device {
    let mut device = world.device_of_version_2(name);
    world.store(&mut device, client);
    device
}

/// Announces a job and sends all its items, each filled with its number.
fn send(world: &mut World, device: &mut Device, (job, client, items): (u8, u8, u32), lane: Lane) -> Out {
    let request = device.request(device.ticket(job, client, items), lane, None);
    let out = world.say(device, &request);
    let id = JobId([job; 16]);
    assert_eq!(out.to(device), [&BoxMessage::Accepted { job: id }]);
    let mut all = Out::default();
    for index in 0..items {
        let out = world.say(device, &item(job, index, index.to_le_bytes()[0]));
        all.tasks.extend(out.tasks);
    }
    all
}

/// What compute was asked to evaluate.
fn evaluated(out: &Out) -> Vec<(u8, u32)> {
    let evaluated = out.tasks.iter().filter_map(|task| match task {
        Task::Evaluate { job, item, .. } => Some((job.0[0], *item)),
        _ => None,
    });
    evaluated.collect()
}

fn outlooks(out: &Out, device: &Device) -> Vec<(u8, u32, Option<u32>)> {
    let outlooks = out.to(device).into_iter().filter_map(|message| match message {
        BoxMessage::Outlook { job, ahead, left_s } => Some((job.0[0], *ahead, *left_s)),
        _ => None,
    });
    outlooks.collect()
}

fn dead(out: &Out, device: &Device) -> Vec<(u8, u32, Refusal)> {
    let dead = out.to(device).into_iter().filter_map(|message| match message {
        BoxMessage::Dead { job, index, code } => Some((job.0[0], *index, *code)),
        _ => None,
    });
    dead.collect()
}

#[test]
fn urgent_items_are_computed_before_routine_ones_of_everybody() {
    let mut world = World::new();
    let mut routine = ready(&mut world, "device-1", 1);
    let mut urgent = ready(&mut world, "device-2", 2);
    let first = send(&mut world, &mut routine, (1, 1, 3), Lane::Routine);
    assert_eq!(evaluated(&first), [(1, 0)]);
    send(&mut world, &mut urgent, (2, 2, 2), Lane::Urgent);
    let mut order = Vec::new();
    let (mut job, mut index) = (1, 0);
    for _ in 0..4 {
        let out = world.done(job, index, index.to_le_bytes()[0]);
        let [next] = evaluated(&out)[..] else {
            panic!("{out:?}")
        };
        order.push(next);
        (job, index) = next;
    }
    assert_eq!(order, [(2, 0), (2, 1), (1, 1), (1, 2)]);
}

#[test]
fn a_remaining_time_is_told_once_something_was_measured_and_again_when_it_changes() {
    let mut world = World::new();
    let mut device = ready(&mut world, "device-1", 1);
    let mut other = ready(&mut world, "device-2", 2);
    send(&mut world, &mut device, (1, 1, 3), Lane::Routine);
    assert_eq!(outlooks(&world.pass(SECOND), &device), [(1, 0, None)]);
    world.pass(9 * SECOND);
    world.done(1, 0, 0);
    let out = world.pass(Duration::ZERO);
    assert_eq!(
        outlooks(&out, &device),
        [(1, 0, Some(21))],
        "two more items of about ten seconds"
    );
    let out = world.pass(5 * SECOND);
    assert_eq!(outlooks(&out, &device), [], "it comes as was said");
    send(&mut world, &mut other, (2, 2, 1), Lane::Routine);
    let out = world.pass(Duration::ZERO);
    assert_eq!(
        outlooks(&out, &other),
        [(2, 2, Some(26))],
        "behind both, which were first"
    );
    let out = world.event(Event::ItemMoved {
        job: JobId([1; 16]),
        item: 1,
        done: 1,
        of: 10,
    });
    assert_eq!(outlooks(&out, &device), []);
    let out = world.pass(Duration::ZERO);
    assert_eq!(
        outlooks(&out, &device),
        [(1, 0, Some(56))],
        "a tenth in five seconds, then ten for the last item"
    );
}

#[test]
fn devices_of_version_1_hear_no_outlook() {
    let mut world = World::new();
    let mut device = world.device("device-1");
    world.store(&mut device, 1);
    let submit = device.submit(device.ticket(1, 1, 1));
    world.say(&mut device, &submit);
    world.say(&mut device, &item(1, 0, 0));
    let out = world.pass(SECOND);
    assert_eq!(outlooks(&out, &device), []);
}

#[test]
fn a_job_is_given_up_when_its_deadline_is_over() {
    let mut world = World::new();
    let mut device = ready(&mut world, "device-1", 1);
    let request = device.request(device.ticket(1, 1, 2), Lane::Routine, Some(60));
    world.say(&mut device, &request);
    world.say(&mut device, &item(1, 0, 0));
    world.say(&mut device, &item(1, 1, 1));
    let out = world.pass(59 * SECOND);
    assert!(out.tasks.is_empty());
    // Announcing it again does not move the deadline.
    world.say(&mut device, &request);
    let out = world.pass(SECOND);
    let job = JobId([1; 16]);
    assert_eq!(out.tasks, [Task::Cancel { job }]);
    let refused = BoxMessage::Refused {
        sequence: 0,
        code: Refusal::Overdue,
        job: Some(job),
    };
    assert_eq!(out.to(&device), [&refused]);
    let out = world.done(1, 0, 0);
    assert!(out.messages.is_empty() && out.tasks.is_empty(), "{out:?}");
    let out = world.say(&mut device, &item(1, 0, 0));
    assert_eq!(out.code(), Refusal::UnknownJob);
}

#[test]
fn an_item_that_kills_compute_is_given_up_and_the_others_go_on() {
    let mut world = World::new();
    let mut device = ready(&mut world, "device-1", 1);
    send(&mut world, &mut device, (1, 1, 2), Lane::Routine);
    let mut out = Out::default();
    for _ in 0..3 {
        out = world.event(Event::ComputeDown);
        let models = vec![model()];
        world.event(Event::ComputeUp { models });
    }
    assert_eq!(dead(&out, &device), [(1, 0, Refusal::Internal)]);
    // Compute has the other one; the dead one is not computed again, however often it is sent.
    let out = world.say(&mut device, &item(1, 0, 0));
    assert_eq!(dead(&out, &device), [(1, 0, Refusal::Internal)]);
    let out = world.done(1, 1, 1);
    assert!(evaluated(&out).is_empty());
    assert!(
        matches!(out.to(&device)[..], [BoxMessage::Answer { index: 1, .. }]),
        "{out:?}"
    );
    let out = world.say(&mut device, &item(1, 0, 0));
    assert_eq!(
        dead(&out, &device),
        [(1, 0, Refusal::Internal)],
        "also when the job is over"
    );
}

#[test]
fn a_bad_ciphertext_is_a_dead_letter_of_one_item() {
    let mut world = World::new();
    let mut device = ready(&mut world, "device-1", 1);
    send(&mut world, &mut device, (1, 1, 2), Lane::Routine);
    let out = world.event(Event::ItemDone {
        job: JobId([1; 16]),
        item: 0,
        outcome: Err(ItemFault::BadCiphertext),
    });
    assert_eq!(dead(&out, &device), [(1, 0, Refusal::BadCiphertext)]);
    assert_eq!(evaluated(&out), [(1, 1)]);
    let out = world.event(Event::ItemDone {
        job: JobId([1; 16]),
        item: 1,
        outcome: Ok(answer_to(&[1])),
    });
    assert!(matches!(out.to(&device)[..], [BoxMessage::Answer { .. }]));
}
