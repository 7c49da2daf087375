//! Items that take minutes: progress, and everything that stops them.

use std::time::Duration;

use obscura_local::appliance::ItemFault;
use obscura_protocol::{
    identity::JobId,
    message::{BoxMessage, DeviceMessage, Phase, Refusal},
};

use super::fixture::{Device, Out, World, item, key_object, model};
use crate::ports::{Event, Task};

const JOB: JobId = JobId([1; 16]);
const OTHER: JobId = JobId([2; 16]);

fn submit(world: &mut World, device: &mut Device, job: u8, client: u8) {
    let submit = device.submit(device.ticket(job, client, 1));
    let out = world.say(device, &submit);
    assert!(
        matches!(out.to(device)[..], [BoxMessage::Accepted { .. }]),
        "{out:?}"
    );
}

/// Two devices with one job of one item each; the first one is computed, the second one waits.
fn busy() -> (World, Device, Device) {
    let mut world = World::new();
    let [mut first, mut second] = ["device-1", "device-2"].map(|name| world.device(name));
    world.store(&mut first, 1);
    world.store(&mut second, 2);
    submit(&mut world, &mut first, 1, 1);
    submit(&mut world, &mut second, 2, 2);
    assert_eq!(evaluated(&world.say(&mut first, &item(1, 0, 8))), Some(JOB));
    assert_eq!(evaluated(&world.say(&mut second, &item(2, 0, 8))), None);
    (world, first, second)
}

fn evaluated(out: &Out) -> Option<JobId> {
    match &out.tasks[..] {
        [Task::Evaluate { job, .. }] => Some(*job),
        [] => None,
        other => panic!("{other:?}"),
    }
}

fn fault(world: &mut World, job: JobId, fault: ItemFault) -> Out {
    world.event(Event::ItemDone {
        job,
        item: 0,
        outcome: Err(fault),
    })
}

fn moved(world: &mut World, job: JobId, done: u32) -> Out {
    world.event(Event::ItemMoved {
        job,
        item: 0,
        done,
        of: 100,
    })
}

fn after(world: &mut World, time: Duration) -> Out {
    world.now += time;
    world.event(Event::Tick)
}

#[test]
fn a_cancelled_item_is_stopped_at_once_and_the_next_one_is_computed() {
    let (mut world, mut first, second) = busy();
    let out = world.say(&mut first, &DeviceMessage::Cancel { job: JOB });
    assert_eq!(out.tasks, [Task::Cancel { job: JOB }]);
    assert!(moved(&mut world, JOB, 50).messages.is_empty());
    let out = fault(&mut world, JOB, ItemFault::Cancelled);
    assert_eq!(evaluated(&out), Some(OTHER));
    assert!(out.messages.is_empty(), "the device knows that it cancelled");
    assert!(matches!(
        world.done(2, 0, 8).to(&second)[..],
        [BoxMessage::Answer { .. }]
    ));
}

#[test]
fn an_item_that_waits_is_cancelled_without_a_word_to_compute() {
    let (mut world, first, mut second) = busy();
    assert_eq!(
        world
            .say(&mut second, &DeviceMessage::Cancel { job: OTHER })
            .tasks,
        []
    );
    let out = world.done(1, 0, 8);
    assert!(matches!(out.to(&first)[..], [BoxMessage::Answer { .. }]));
    assert_eq!(evaluated(&out), None);
}

#[test]
fn a_job_submitted_again_right_after_it_was_cancelled_is_computed_anew() {
    let (mut world, mut first, _second) = busy();
    world.say(&mut first, &DeviceMessage::Cancel { job: JOB });
    submit(&mut world, &mut first, 1, 1);
    let out = world.say(&mut first, &item(1, 0, 8));
    let (index, phase) = (0, Phase::Queued { ahead: 1 });
    assert_eq!(
        out.to(&first),
        [&BoxMessage::Progress {
            job: JOB,
            index,
            phase
        }]
    );
    // Words about the first attempt are not taken for the second one.
    assert!(moved(&mut world, JOB, 50).messages.is_empty());
    assert_eq!(
        evaluated(&fault(&mut world, JOB, ItemFault::Cancelled)),
        Some(OTHER)
    );
    assert_eq!(evaluated(&world.done(2, 0, 8)), Some(JOB));
    assert!(matches!(
        world.done(1, 0, 8).to(&first)[..],
        [BoxMessage::Answer { .. }]
    ));
}

#[test]
fn a_stopped_item_is_not_repeated_when_compute_dies_over_it() {
    let (mut world, mut first, _second) = busy();
    world.say(&mut first, &DeviceMessage::Cancel { job: JOB });
    submit(&mut world, &mut first, 1, 1);
    assert!(world.event(Event::ComputeDown).messages.is_empty());
    let models = vec![model()];
    assert_eq!(evaluated(&world.event(Event::ComputeUp { models })), Some(OTHER));
    assert_eq!(evaluated(&world.done(2, 0, 8)), None);
}

#[test]
fn an_item_that_takes_too_long_is_stopped_and_refused_once() {
    let (mut world, first, _second) = busy();
    let (almost, second) = (Duration::from_secs(3599), Duration::from_secs(1));
    assert_eq!(after(&mut world, almost).tasks, []);
    let out = after(&mut world, second);
    assert_eq!(out.tasks, [Task::Cancel { job: JOB }]);
    let refused = BoxMessage::Refused {
        sequence: 0,
        code: Refusal::Internal,
        job: Some(JOB),
    };
    assert_eq!(out.to(&first), [&refused]);
    assert_eq!(after(&mut world, almost).tasks, [], "said once");
    assert_eq!(
        evaluated(&fault(&mut world, JOB, ItemFault::Cancelled)),
        Some(OTHER)
    );
    // The next one has its whole time.
    assert_eq!(after(&mut world, almost).tasks, []);
}

#[test]
fn a_device_that_left_keeps_its_item_for_a_minute() {
    let (mut world, mut first, _second) = busy();
    world.say(&mut first, &DeviceMessage::Goodbye);
    assert_eq!(after(&mut world, Duration::from_secs(59)).tasks, []);
    let out = after(&mut world, Duration::from_secs(1));
    assert_eq!(out.tasks, [Task::Cancel { job: JOB }]);
    assert_eq!(
        evaluated(&fault(&mut world, JOB, ItemFault::Cancelled)),
        Some(OTHER)
    );
    // Whoever comes back later begins again with the same bytes.
    world.done(2, 0, 8);
    world.greet(&mut first);
    submit(&mut world, &mut first, 1, 1);
    assert_eq!(evaluated(&world.say(&mut first, &item(1, 0, 8))), Some(JOB));
}

#[test]
fn a_device_that_came_back_keeps_what_it_asks_for_again_and_hears_how_far_it_is() {
    let (mut world, mut first, mut second) = busy();
    moved(&mut world, JOB, 40);
    world.greet(&mut first);
    world.greet(&mut second);
    submit(&mut world, &mut first, 1, 1);
    let out = world.say(&mut first, &item(1, 0, 8));
    let phase = Phase::Computing { done: 40, of: 100 };
    let (job, index) = (JOB, 0);
    assert_eq!(out.to(&first), [&BoxMessage::Progress { job, index, phase }]);
    // The second device opens its session and asks for nothing.
    submit(&mut world, &mut second, 2, 2);
    assert_eq!(after(&mut world, Duration::from_mins(1)).tasks, []);
    assert_eq!(
        evaluated(&world.done(1, 0, 8)),
        None,
        "the second one was dropped"
    );
}

#[test]
fn an_item_without_memory_is_refused_and_not_repeated() {
    let (mut world, first, _second) = busy();
    let out = fault(&mut world, JOB, ItemFault::OutOfMemory);
    assert!(matches!(
        out.to(&first)[..],
        [BoxMessage::Refused {
            code: Refusal::Internal,
            job: Some(JOB),
            ..
        }]
    ));
    assert_eq!(evaluated(&out), Some(OTHER));
}

#[test]
fn evicted_keys_are_loaded_again_without_the_device_hearing_of_it() {
    let (mut world, first, second) = busy();
    let mut clients = [(JOB, 1, &first), (OTHER, 2, &second)].into_iter();
    while let Some((job, client, device)) = clients.next() {
        let (object, _) = key_object(client);
        let out = fault(&mut world, job, ItemFault::KeysNotLoaded);
        assert_eq!((out.tasks, out.messages.len()), (vec![Task::Load { object }], 0));
        let out = world.conforms(client);
        assert_eq!((evaluated(&out), out.messages.len()), (Some(job), 0));
        let out = world.done(client, 0, 8);
        assert!(matches!(out.to(device)[..], [BoxMessage::Answer { .. }]));
        assert_eq!(
            evaluated(&out),
            clients.as_slice().first().map(|(next, ..)| *next)
        );
    }
}
