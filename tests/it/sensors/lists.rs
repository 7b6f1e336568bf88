//! Lists: each item is worked on once, nothing left over is forgotten, garbage hurts nobody.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode},
};
use domain::SourceKey;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{close, config, keys, open, queued, told, waiting};
use crate::harness::{Echo, Says, World, eventually};

/// A server with one list on it, that it says is unchanged to whoever knows it.
struct Tickets {
    url: String,
    inner: Arc<Mutex<Inner>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    items: Vec<Value>,
    version: u32,
    /// Answered in place of the list, each once.
    faults: Vec<(u16, &'static str)>,
    /// The conditions and keys that were sent.
    asked: Vec<(Option<String>, Option<String>)>,
}

impl Inner {
    fn answer(&mut self, request: &Request) -> Response<Body> {
        let header = |name: &str| {
            let header = request.headers().get(name)?.to_str().ok()?;
            Some(header.to_owned())
        };
        let (known, key) = (header("if-none-match"), header("authorization"));
        self.asked.push((known.clone(), key));
        let tag = format!("\"v{}\"", self.version);
        let built = Response::builder().header("etag", &tag);
        if let Some((status, body)) = self.faults.pop() {
            return Response::builder().status(status).body(body.into()).unwrap();
        }
        if known.is_some_and(|known| known == tag) {
            return built.status(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap();
        }
        built.body(json!({ "data": { "items": self.items } }).to_string().into()).unwrap()
    }
}

impl Tickets {
    async fn with(items: Vec<Value>) -> Tickets {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/open", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner { items, version: 1, ..Inner::default() }));
        let served = inner.clone();
        let app = Router::new()
            .fallback(async move |request: Request| served.lock().unwrap().answer(&request));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Tickets { url, inner, serving }
    }

    fn sensor(&self, more: &str) -> String {
        let url = &self.url;
        config(
            "ticket",
            &format!(
                "[sensors.tickets.http]\nkind = \"ticket\"\nurl = \"{url}\"\n\
                 items = \"/data/items\"\nkey = \"ticket/{{id}}\"\nevery = \"300ms\"\n{more}"
            ),
        )
    }

    fn add(&self, item: Value) {
        let mut inner = self.inner.lock().unwrap();
        inner.items.push(item);
        inner.version += 1;
    }

    fn asked(&self) -> usize {
        self.inner.lock().unwrap().asked.len()
    }

    /// Waits until it was asked so much more often: what was asked before has been dealt with.
    async fn asked_more(&self, more: usize) {
        let before = self.asked();
        eventually("more cycles", || async { (before + more <= self.asked()).then_some(()) }).await;
    }
}

impl Drop for Tickets {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// W3, W4: each item makes one task of its fields, however many sensors look how often, and
/// none again once that has ended; an item that is added makes one more. The secret of the
/// request is read from its file, and shows nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn one_task_for_each_item() {
    let items = vec![json!({"id": 1, "t": "a"}), json!({"id": 2, "t": "b"}), json!({"t": "c"})];
    let tickets = Tickets::with(items).await;
    let world = World::bare().await;
    let secret = world.dir().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let headers = format!(
        "payload = '{{ \"n\": \"{{id}}\", \"say\": \"ticket {{t}}\" }}'\nheaders = \
         [{{ name = \"authorization\", prefix = \"Bearer \", file = {secret:?} }}]\n"
    );
    world.apply(&tickets.sensor(&headers)).await;
    let _sensors = [world.spawn("sensor", &[]), world.spawn("sensor", &[])];
    waiting(&world, &["ticket/1", "ticket/2"]).await;
    assert_eq!(queued(&world).await[0].payload, r#"{"n":1,"say":"ticket a"}"#);

    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    for key in ["ticket/1", "ticket/2"] {
        world.phase("ticket", key, "completed").await;
    }
    tickets.add(json!({"id": "3", "t": "d"}));
    world.phase("ticket", "ticket/3", "completed").await;
    tickets.asked_more(4).await;
    assert_eq!((echo.asked().len(), keys(&world).await.len()), (3, 0), "worked on again");
    let odd = told(&world, "tickets", "has no field `id`").await;
    assert_eq!(odd["data"]["skipped"]["no key"], 1, "{odd}");
    let keys: Vec<_> = tickets.inner.lock().unwrap().asked.clone();
    assert!(keys.iter().all(|(_, key)| key.as_deref() == Some("Bearer s3cret")));
    assert!(!world.logs().contains("s3cret"), "a secret is in a log");
}

/// G1, and nothing is lost: behind a closed gate nothing is created, and over the cap no more
/// than that; both are asked for in full until nothing is left over, and only then by what has
/// changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_over_is_asked_for_again() {
    let tickets = Tickets::with((1..=3).map(|id| json!({ "id": id })).collect()).await;
    let world = World::start(&tickets.sensor("cap_cycle = 1\n")).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    close(&world).await;
    let _sensor = world.spawn("sensor", &[]);
    let held = told(&world, "tickets", "relay CLOSED (blocking)").await;
    assert_eq!((&held["data"]["held"], &held["data"]["created"]), (&json!(3), &json!(0)));
    tickets.asked_more(2).await;
    assert_eq!(keys(&world).await, [""; 0]);
    assert!(tickets.inner.lock().unwrap().asked.iter().all(|(known, _)| known.is_none()));

    open(&world).await;
    waiting(&world, &["ticket/1", "ticket/2", "ticket/3"]).await;
    let unchanged = told(&world, "tickets", "unchanged").await;
    assert_eq!(unchanged["data"]["failed"], Value::Null);
    let events = world.events("event.sensor.cycle.tickets").await;
    let created = |event: &Value| event["data"]["created"].as_u64().unwrap();
    assert!(events.iter().all(|event| created(event) <= 1), "over the cap: {events:?}");
    assert_eq!(events.iter().map(created).sum::<u64>(), 3);
}

/// What is no list is told for what it is and hurts nothing: the next good answer is worked on.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_told_and_survived() {
    let tickets = Tickets::with(vec![json!({"id": 1}), json!(7), json!({"id": "a\n"})]).await;
    let world = World::start(&tickets.sensor("")).await;
    let faults = [(200, "<html>"), (500, ""), (200, "{\"data\": {\"items\": 7}}"), (304, "")];
    tickets.inner.lock().unwrap().faults = faults.to_vec();
    let _sensor = world.spawn("sensor", &[]);
    let key: SourceKey = "ticket/1".parse().unwrap();
    waiting(&world, &[key.as_str()]).await;
    for what in ["read the list as JSON", "answered 500", "a number at", "answered 304"] {
        told(&world, "tickets", what).await;
    }
    let good = told(&world, "tickets", "\"bad key\":1").await;
    assert_eq!(good["data"]["skipped"]["no key"], 1, "{good}");
}
