//! Bad weather before a pretend engine: what breaks off is done again, and comes to the same.

use lessor_engine::{ApplyError, wanting};
use lessor_plans::{Act, Body, Sighting};

use crate::bodies::{address, change, everything_at_once};
use crate::worlds::{Engine, World};
use crate::{assert_as_wished, observe, used, with};

/// How often an act is done again before something else must be wrong.
const TRIES: usize = 200;

#[tokio::test]
async fn acts_that_break_off_are_done_again_and_come_to_the_same() {
    for fault in ["refused", "lost", "cut:40", "status:503", "slow:2"] {
        let world = Engine::pretended();
        let body = everything_at_once(&world).await;
        let weather =
            || world.weather().set_faults(vec![format!("{fault},chance=25").parse().unwrap()]);

        weather();
        repeat(&world, Act::Create, &body).await;
        world.weather().set_faults(Vec::new());
        assert_as_wished(&world, &body).await;

        let stopped = with(&body, |body| body.running = false);
        weather();
        repeat(&world, Act::Update, &stopped).await;
        world.weather().set_faults(Vec::new());
        assert_as_wished(&world, &stopped).await;

        let others = used(&world, &body).await;
        weather();
        for body in [stopped].iter().chain(&others).filter(|body| body.sort() != "image") {
            repeat(&world, Act::Delete, body).await;
        }
        let hits = world.weather().hits();
        world.weather().set_faults(Vec::new());
        assert!(hits > 0, "{fault} hit nothing");
        assert_eq!(world.snapshot().await, "", "after {fault}");
    }
}

#[tokio::test]
async fn what_cannot_be_seen_in_bad_weather_is_not_absent() {
    for fault in ["refused", "lost", "cut:40", "status:503"] {
        let world = Engine::pretended();
        let body = everything_at_once(&world).await;
        crate::create(&world, &body).await;

        world.weather().set_faults(vec![fault.parse().unwrap()]);
        let seen = world.provider().observe(wanting([address(&body).into()])).await;

        assert!(!matches!(seen.sighting(&address(&body)), Sighting::Absent), "{fault}: {seen:?}");
        world.weather().set_faults(Vec::new());
        observe(&world, &[&body]).await;
    }
}

/// Does an act until it is done.
async fn repeat(world: &Engine, act: Act, body: &Body) {
    for _ in 0..TRIES {
        match world.provider().apply(act, &change(body)).await {
            Ok(()) => return,
            Err(ApplyError::Transient { .. }) => {}
            Err(error) => panic!("{act} {}: {error:?}", body.name()),
        }
    }
    panic!("{act} {} never came through", body.name());
}
