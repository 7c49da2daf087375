//! How links begin, end and begin again.

use super::*;

#[test]
fn the_bytes_of_yesterday_are_never_delivered() {
    let mut yesterday = World::up(1);
    yesterday.a.to_say.extend(text(10_000, 3));
    yesterday.b.to_say.extend(text(10_000, 4));
    yesterday.turns_until(100, |world| world.a.is_done() && world.b.is_done());
    // Both ends start over; an adapter in between still holds the whole conversation.
    let mut today = World::new(2);
    today.a = End::new(33, Duration::ZERO);
    today.b = End::new(44, Duration::ZERO);
    today.b.link.receive(today.now, &yesterday.a.said);
    today.a.link.receive(today.now, &yesterday.b.said);
    assert_eq!(today.a.link.state(), LinkState::Opening);
    today.b.to_say.extend(b"today");
    today.turns_until(100, |world| world.b.is_done() && !world.a.heard.is_empty());
    assert_eq!(
        (&today.a.heard[..], &today.b.heard[..]),
        (&b"today"[..], &b""[..])
    );
    // Once up, an old greeting is taken for a new end: it costs the connection and brings no bytes.
    today.b.link.receive(today.now, &yesterday.a.said);
    assert_eq!(
        today.b.link.state(),
        LinkState::Closed(CloseReason::PeerRestarted)
    );
    assert_eq!(today.b.link.available(), 0);
}

#[test]
fn frames_between_other_ends_are_ignored() {
    let payload = &b"x"[..];
    let data = Body::Data {
        offset: 0,
        round: 0,
        payload,
    };
    // The link of epoch 11 is up with 22.
    for (from, to) in [(22, 12), (23, 11), (11, 22), (23, 12)] {
        let mut world = World::up(1);
        for body in [data, Body::Close] {
            world.a.link.receive(world.now, &line(from, to, body));
        }
        assert_eq!(world.a.link.available(), 0, "{from} to {to}");
        assert_eq!(world.a.link.state(), LinkState::Up, "{from} to {to}");
    }
    let mut world = World::up(1);
    world.a.link.receive(world.now, &line(22, 11, data));
    assert_eq!(world.a.link.available(), 1);
}

#[test]
fn an_end_that_starts_over_is_recognised_and_both_meet_again() {
    for a_restarts in [true, false] {
        let mut world = World::up(1);
        world.a.to_say.extend(text(100_000, 3));
        for _ in 0..3 {
            world.turn();
        }
        let (restarted, other) = if a_restarts {
            (&mut world.a, &mut world.b)
        } else {
            (&mut world.b, &mut world.a)
        };
        *restarted = End::new(33, world.now);
        let greeting = restarted.act(world.now, 0);
        other.link.receive(world.now, &greeting);
        assert_eq!(other.link.state(), LinkState::Closed(CloseReason::PeerRestarted));
        *other = End::new(44, world.now);
        let is_up = |end: &End| end.link.state() == LinkState::Up;
        world.a.to_say.extend(b"again");
        world.turns_until(100, |world| {
            is_up(&world.a) && is_up(&world.b) && world.a.is_done()
        });
        world.turn();
        assert_eq!(world.b.heard, b"again");
    }
}

#[test]
fn an_idle_link_stays_up_and_a_silent_one_ends() {
    let mut world = World::up(1);
    while world.now < Duration::from_hours(1) {
        world.turn();
    }
    assert_eq!(world.a.link.state(), LinkState::Up);
    assert_eq!(world.b.link.state(), LinkState::Up);
    let talk = world.a.said.len() + world.b.said.len();
    assert!(talk < 3600 * 100, "{talk} bytes in an idle hour");
    // The cable is cut.
    let cut = world.now;
    while world.a.link.state() == LinkState::Up {
        world.now = world.a.link.deadline().unwrap();
        world.a.act(world.now, 0);
    }
    assert_eq!(world.a.link.state(), LinkState::Closed(CloseReason::PeerSilent));
    assert!(world.since(cut) <= DEAD_AFTER, "{:?}", world.since(cut));
    assert_eq!(world.a.link.deadline(), None);
}

#[test]
fn a_line_that_takes_nothing_is_waited_for_and_then_given_up() {
    // Nobody there yet, and somebody who no longer reads.
    let mut opening = Link::new(Epoch::from_random(1), Duration::ZERO);
    let mut world = World::up(1);
    world.a.to_say.extend(text(200_000, 3));
    world.turn();
    let mut wakes = 0;
    for link in [&mut opening, &mut world.a.link] {
        let mut now = world.now;
        while let Some(next) = link.deadline().filter(|_| now < world.now + 2 * DEAD_AFTER) {
            now = now.max(next);
            link.on_time(now);
            assert!(link.deadline().is_none_or(|at| at > now), "{link:?}");
            wakes += 1;
        }
    }
    assert!(wakes < 100, "{wakes}");
    assert_eq!(opening.state(), LinkState::Opening);
    assert_eq!(world.a.link.state(), LinkState::Closed(CloseReason::PeerSilent));
}

#[test]
fn a_goodbye_comes_after_the_last_byte() {
    let mut world = World::up(1);
    let words = text(50_000, 3);
    world.a.to_say.extend(&words);
    world.appetite = 1_000;
    world.turns_until(500, |world| world.a.is_done());
    world.a.link.close();
    assert_eq!(world.a.link.state(), LinkState::Closed(CloseReason::Own));
    let goodbye = world.a.act(world.now, 0);
    world.b.link.receive(world.now, &goodbye);
    assert_eq!(world.b.link.state(), LinkState::Closed(CloseReason::Peer));
    while world.b.link.available() > 0 {
        world.b.act(world.now, 1_000);
    }
    assert_eq!(world.b.heard, words);
}

#[test]
fn another_version_is_not_spoken_to() {
    let mut world = World::new(1);
    let frame = Frame {
        from: Epoch::from_random(5),
        to: Some(Epoch::from_random(11)),
        body: Body::Hello {
            version: LINK_VERSION + 1,
        },
    };
    let mut line = Vec::new();
    frame::encode(&frame, &mut line);
    world.a.link.receive(world.now, &line);
    assert_eq!(world.a.link.state(), LinkState::Opening);
}
