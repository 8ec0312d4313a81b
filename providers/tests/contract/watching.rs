//! Looking after one container: what it writes, what it uses, whether it is well, starting it anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use lessor_engine::{
    Health, Lines, LogLine, LogReader as _, LogsAsked, WatchError, Watched, Watcher as _,
};
use lessor_plans::{Body, ContainerBody};
use lessor_providers::{Said, Watch};
use lessor_specs::kinds::Ready;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::bodies::{address, container};
use crate::worlds::{Engine, Pretend, World};
use crate::{create, update};

const LAST: LogsAsked = LogsAsked { tail: 2, since: None, follow: false };
const ON: LogsAsked = LogsAsked { tail: 0, since: None, follow: true };

/// Says three things at once and then one each second, and ends when it is told to.
const TALKS: &str = "trap 'exit 0' TERM; echo one; echo two; echo three; \
                     while true; do sleep 1; echo tick; done";

fn watched(body: &Body) -> Watched {
    Watched { address: address(body), name: body.name().to_owned() }
}

fn running(world: &dyn World, command: &str) -> Body {
    let command = Some(["sh", "-c", command].map(str::to_owned).to_vec());
    Body::Container(ContainerBody { command, ..container(world, "talks") }.into())
}

async fn texts(lines: Lines) -> Vec<String> {
    let lines: Vec<_> = lines.collect().await;
    lines.into_iter().map(|line| line.unwrap().text).collect()
}

async fn next(lines: &mut Lines) -> LogLine {
    let line = timeout(Duration::from_secs(20), lines.next()).await;
    line.unwrap().unwrap().unwrap()
}

/// Whatever runs takes a moment to say something.
async fn said(watch: &Watch, thing: &Watched, asked: LogsAsked, lines: usize) -> Vec<String> {
    for _ in 0..100 {
        let found = texts(watch.logs.as_ref().unwrap().logs(thing, &asked).await.unwrap()).await;
        if found.len() >= lines {
            return found;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("it never says so much");
}

async fn what_a_container_writes_is_told_by_its_last_lines_and_as_it_comes(world: &Engine) {
    let body = running(world, TALKS);
    create(world, &body).await;
    let (watch, thing) = (world.watch(None), watched(&body));

    let all = LogsAsked { tail: 1_000, ..LAST };
    let begun = said(&watch, &thing, all, 3).await;
    assert_eq!(begun[..3], ["one", "two", "three"]);
    assert_eq!(said(&watch, &thing, LAST, 2).await.len(), 2);
    let logs = watch.logs.as_ref().unwrap();
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let none = logs.logs(&thing, &LogsAsked { since: Some(later), ..all }).await.unwrap();
    assert_eq!(texts(none).await, [""; 0]);

    let mut on = logs.logs(&thing, &ON).await.unwrap();
    let (first, second) = (next(&mut on).await, next(&mut on).await);
    assert_eq!((first.text.as_str(), first.is_error), ("tick", false));
    assert!(first.at.unwrap() < second.at.unwrap(), "{first:?} {second:?}");
}

async fn what_a_container_uses_goes_up_as_it_runs_and_is_nothing_when_it_does_not(world: &Engine) {
    let body = running(world, "trap 'exit 0' TERM; while true; do sleep 1; done");
    create(world, &body).await;
    let (watch, thing) = (world.watch(None), watched(&body));

    let before = watch.watcher.usage(&thing).await.unwrap();
    sleep(Duration::from_millis(1_200)).await;
    let after = watch.watcher.usage(&thing).await.unwrap();

    assert!(after.running && after.memory.unwrap() > 0, "{after:?}");
    assert!(after.memory_limit.unwrap() >= after.memory.unwrap(), "{after:?}");
    assert!(after.busy.unwrap() >= before.busy.unwrap(), "{before:?} {after:?}");
    let cpu = after.cpu_since(before.busy, Duration::from_millis(1_200)).unwrap();
    assert!(cpu < 64_000, "{cpu} thousandths of a core");

    let Body::Container(running) = &body else { panic!("{body:?}") };
    let stopped = ContainerBody { running: false, ..(**running).clone() };
    update(world, &Body::Container(stopped.into())).await;
    let still = watch.watcher.usage(&thing).await.unwrap();
    assert!(!still.running && still.memory.is_none(), "{still:?}");
    let ill = watch.watcher.probe(&thing, None).await.unwrap();
    assert_eq!(ill, Health::Ill("it stopped with exit code 0".into()));
}

async fn a_container_is_well_once_it_answers_and_may_take_its_time(world: &Engine) {
    let body = running(world, "trap 'exit 0' TERM; while true; do sleep 1; done");
    create(world, &body).await;
    let (watch, thing) = (world.watch(None), watched(&body));
    let ready = |timeout: &str| {
        let ready = serde_json::json!({ "tcp": 7, "timeout": timeout });
        serde_json::from_value::<Ready>(ready).unwrap()
    };

    assert_eq!(watch.watcher.probe(&thing, None).await.unwrap(), Health::Well);
    let early = watch.watcher.probe(&thing, Some(&ready("10m"))).await.unwrap();
    assert_eq!(early, Health::Starting);
    sleep(Duration::from_millis(1_100)).await;
    let late = watch.watcher.probe(&thing, Some(&ready("1s"))).await.unwrap();
    assert_eq!(late, Health::Ill("nothing answers on its port 7".into()));
}

async fn a_container_is_started_anew_and_what_is_not_it_is_left_alone(world: &Engine) {
    let body = running(world, TALKS);
    create(world, &body).await;
    let (watch, thing) = (world.watch(None), watched(&body));
    said(&watch, &thing, LogsAsked { tail: 1_000, ..LAST }, 3).await;

    watch.watcher.restart(&thing).await.unwrap();

    let all = said(&watch, &thing, LogsAsked { tail: 1_000, ..LAST }, 6).await;
    assert_eq!(all.iter().filter(|line| *line == "one").count(), 2, "{all:?}");
    let other = Watched { address: "container.other".parse().unwrap(), ..thing.clone() };
    let before = world.snapshot().await;
    for error in [
        watch.watcher.restart(&other).await.unwrap_err(),
        watch.watcher.usage(&other).await.map(drop).unwrap_err(),
        watch.logs.as_ref().unwrap().logs(&other, &LAST).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, WatchError::NotOurs(_)), "{error:?}");
    }
    let gone = Watched { name: world.name("gone"), ..thing };
    assert_eq!(watch.watcher.restart(&gone).await.unwrap_err(), WatchError::Absent);
    assert_eq!(world.snapshot().await, before);
}

macro_rules! on_engines {
    ($($claim:ident)*) => {
        mod on_docker { $(#[tokio::test] async fn $claim() { super::$claim(&super::Engine::new()).await })* }
        mod in_the_sandbox { $(#[tokio::test] async fn $claim() { super::$claim(&super::Engine::pretended()).await })* }
    };
}

on_engines! {
    what_a_container_writes_is_told_by_its_last_lines_and_as_it_comes
    what_a_container_uses_goes_up_as_it_runs_and_is_nothing_when_it_does_not
    a_container_is_well_once_it_answers_and_may_take_its_time
    a_container_is_started_anew_and_what_is_not_it_is_left_alone
}

/// Passes on what is said, and counts conversations in which output is followed.
async fn relay(to: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let following = Arc::new(AtomicUsize::new(0));
    let count = following.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (to, count) = (to.clone(), count.clone());
            tokio::spawn(async move {
                let mut engine = TcpStream::connect(to).await.unwrap();
                let (mut said, mut answer) = (vec![0; 4096], vec![0; 4096]);
                let mut head = String::new();
                // One request after the other, until output is followed.
                while !head.contains("follow=true") {
                    tokio::select! {
                        read = client.read(&mut said) => {
                            let Ok(read @ 1..) = read else { return };
                            head = String::from_utf8_lossy(&said[..read]).into_owned();
                            engine.write_all(&said[..read]).await.unwrap();
                        }
                        read = engine.read(&mut answer) => {
                            let Ok(read @ 1..) = read else { return };
                            client.write_all(&answer[..read]).await.unwrap();
                        }
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                let _ = copy_bidirectional(&mut client, &mut engine).await;
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, following)
}

#[tokio::test]
async fn who_wants_no_more_output_hangs_up_at_the_engine() {
    let world = Engine::pretended();
    let body = running(&world, TALKS);
    create(&world, &body).await;
    let (address, following) = relay(world.address().to_owned()).await;
    let watch = world.watch(Some(&format!("tcp://{address}")));

    let mut on = watch.logs.as_ref().unwrap().logs(&watched(&body), &ON).await.unwrap();
    assert_eq!(next(&mut on).await.text, "tick");
    assert_eq!(following.load(Ordering::SeqCst), 1);
    drop(on);

    for _ in 0..100 {
        if following.load(Ordering::SeqCst) == 0 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the engine is still asked");
}

#[tokio::test]
async fn a_pretend_container_says_what_it_is_let_say_and_ails_from_what_it_is_given() {
    for world in [Pretend::in_process().await, Pretend::in_a_file().await] {
        let body = Body::Container(container(&world, "web").into());
        create(&world, &body).await;
        let (memory, thing) = (world.memory().clone(), watched(&body));
        let say = async |text: &str| {
            let (name, text) = (thing.name.clone(), text.to_owned());
            let said = Said { at: Timestamp::now(), text, error: false };
            world.memory().edit(move |host| host.say(&name, said)).await.unwrap();
        };
        for text in ["one", "two", "three"] {
            say(text).await;
        }
        assert_eq!(texts(memory.logs(&thing, &LAST).await.unwrap()).await, ["two", "three"]);
        let mut on = memory.logs(&thing, &ON).await.unwrap();
        say("four").await;
        assert_eq!(next(&mut on).await.text, "four");

        assert!(memory.usage(&thing).await.unwrap().running);
        assert_eq!(memory.probe(&thing, None).await.unwrap(), Health::Well);
        let name = thing.name.clone();
        world.memory().edit(move |host| host.ail(&name, Some("a cold"))).await.unwrap();
        assert_eq!(memory.probe(&thing, None).await.unwrap(), Health::Ill("a cold".into()));
        memory.restart(&thing).await.unwrap();
        let host = memory.host().await.unwrap();
        assert_eq!(host.find("container", &thing.name).unwrap().restarts(), 1);
        let other = Watched { address: "container.other".parse().unwrap(), ..thing };
        assert!(matches!(memory.usage(&other).await, Err(WatchError::NotOurs(_))));
    }
}
