use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Query, http::StatusCode, response::IntoResponse, routing::get};
use kit::Tasks;
use logic::sensor::{Answer, CycleReport, Decided, Lookup, Payee, Plan, Reason, Verdict};
use serde_json::{Value, json};
use stacks::{Address, Network};
use tokio::net::TcpListener;

use super::*;
use crate::{directory::Directory, page::Agent};

/// A desk at which everything goes well, until `full`.
#[derive(Default)]
struct Eager {
    created: Vec<Payee>,
    exhausted: bool,
}

impl Desk<Payee, Agent> for Eager {
    async fn decide(&mut self, cycle: &mut Cycle, payee: Payee, _: &Agent) -> Result<(), Stop> {
        match cycle.weigh(&payee, &Lookup::default(), &Verdict::Admits) {
            Decided::Reserve => (),
            _ => {
                self.exhausted = true;
                return Ok(());
            }
        }
        assert_eq!(cycle.reserved(&payee, true), Decided::Create);
        cycle.answered(&payee, Answer::Created, &Verdict::Admits);
        self.created.push(payee);
        Ok(())
    }

    fn exhausted(&self) -> bool {
        self.exhausted
    }
}

/// A server and what was asked of it; it ends with the test.
struct Served {
    url: String,
    asked: Arc<Mutex<Vec<u64>>>,
    _tasks: Tasks,
}

/// A directory that answers each request as `answer` says, from its offset.
async fn serve<R: IntoResponse + 'static>(answer: fn(u64) -> R) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let page = get(async move |Query(query): Query<Vec<(String, String)>>| {
        let offset = query.iter().find(|(name, _)| name == "offset").unwrap();
        let offset = offset.1.parse().unwrap();
        seen.lock().unwrap().push(offset);
        answer(offset)
    });
    let app = Router::new().route("/api/agents", page);
    let mut tasks = Tasks::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { url, asked, _tasks: tasks }
}

/// The stand-in world, and a client to set it up with.
struct World {
    url: String,
    stop: CancellationToken,
    _tasks: Tasks,
}

impl World {
    async fn with(agents: usize) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let options = sandbox::Options { agents, ..sandbox::Options::default() };
        let mut tasks = Tasks::new();
        let stopped = stop.clone();
        tasks.spawn(async move { sandbox::serve(listener, options, stopped).await.unwrap() });
        World { url, stop, _tasks: tasks }
    }

    async fn post(&self, path: &str, body: Value) {
        // The client of the sensor has installed the provider; here it may come first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let answer = client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK.as_u16(), "{path}");
    }

    fn api(&self) -> String {
        format!("{}/api", self.url)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One scan with these caps.
async fn scan_capped(url: &str, pages_max: u32, cap_cycle: u32) -> (CycleReport, Vec<Payee>) {
    let mut directory = Directory::new(url, Network::Mainnet).unwrap();
    let mut cycle = Cycle::new(Plan { pages_max, cap_cycle, excluded: BTreeSet::new() });
    let mut desk = Eager::default();
    let stop = walk(&mut directory, &mut cycle, &mut desk, &CancellationToken::new()).await;
    (cycle.finish(stop), desk.created)
}

async fn scan(url: &str) -> (CycleReport, Vec<Payee>) {
    scan_capped(url, 100, 10_000).await
}

fn agent(number: u64) -> Value {
    let mut hash160 = [0; 20];
    hash160[..8].copy_from_slice(&number.to_be_bytes());
    json!({
        "stxAddress": Address::new(22, hash160).unwrap().to_string(),
        "btcAddress": "bc1q0lylxhl4upwwy77vv6j6fkkhswexz2p20xws7u",
        "displayName": null,
    })
}

/// `agents` numbered from `first` on, and whether there is more.
fn page(first: u64, count: u64, has_more: bool) -> String {
    let agents: Vec<Value> = (first..first + count).map(agent).collect();
    json!({"agents": agents, "pagination": {"hasMore": has_more}}).to_string()
}

/// All pages of a directory are read, and everyone in it is taken once.
#[tokio::test]
async fn reads_every_page() {
    let world = World::with(250).await;
    let (report, created) = scan(&world.api()).await;
    assert_eq!((report.seen, report.created, report.pages), (250, 250, 3), "{report}");
    assert_eq!(report.stop, Stop::End);
    assert_eq!(created.iter().collect::<BTreeSet<_>>().len(), 250);
}

/// Bad rows are skipped, each for its reason, and the good ones around them are taken.
#[tokio::test]
async fn skips_bad_rows() {
    let world = World::with(5).await;
    let broken = ["missing_address", "missing_btc", "bad_checksum", "lower_case", "testnet"];
    world.post("/sandbox/agents", json!({"count": 1, "broken": broken})).await;
    let (report, _) = scan(&world.api()).await;
    assert_eq!((report.seen, report.created), (11, 6), "{report}");
    assert_eq!(report.skipped_for(&Reason::NoAddress), 2);
    assert_eq!(report.skipped_for(&Reason::BadAddress), 2);
    assert_eq!(report.skipped_for(&Reason::WrongNetwork), 1);
}

/// Who stands in the list twice, on one page or on two, is taken once.
#[tokio::test]
async fn takes_each_once() {
    let world = World::with(150).await;
    world.post("/sandbox/agents", json!({"broken": ["duplicate"]})).await;
    let (report, created) = scan(&world.api()).await;
    assert_eq!((report.seen, report.created), (151, 150), "{report}");
    assert_eq!(report.skipped_for(&Reason::Repeated), 1);

    // Somebody registers between two pages: the last of the first page comes again.
    let shifting = serve(|offset| page(if offset == 0 { 10 } else { 11 }, 2, offset == 0)).await;
    let (report, shifted) = scan(&shifting.url).await;
    assert_eq!((report.seen, report.created), (4, 3), "{report}");
    assert_eq!(report.skipped_for(&Reason::Repeated), 1);
    assert_eq!((created.len(), shifted.len()), (150, 3));
}

/// A server error ends the scan, says what it was, and leaves what was taken before.
#[tokio::test]
async fn an_error_ends_the_scan() {
    let world = World::with(3).await;
    world.post("/sandbox/faults", json!({"directory_500": 1})).await;
    let (report, created) = scan(&world.api()).await;
    assert_eq!((report.seen, created.len(), report.retry_after()), (0, 0, None));
    assert!(report.stop.to_string().contains("500"), "{report}");

    let half = serve(|offset| match offset {
        0 => (StatusCode::OK, page(0, 2, true)),
        _ => (StatusCode::BAD_GATEWAY, String::new()),
    })
    .await;
    let (report, created) = scan(&half.url).await;
    assert_eq!((report.seen, created.len()), (2, 2), "{report}");
    assert!(report.stop.to_string().contains("502"), "{report}");
    assert_eq!(*half.asked.lock().unwrap(), [0, 2], "asked again after the error");
}

/// Told to slow down, the scan ends and the wait is passed on, within reason.
#[tokio::test]
async fn slows_down_when_asked() {
    let world = World::with(3).await;
    world.post("/sandbox/faults", json!({"directory_429": 1})).await;
    let (report, _) = scan(&world.api()).await;
    assert_eq!(report.retry_after(), Some(Duration::from_secs(60)), "{report}");
    assert!(report.stop.to_string().contains("429"), "{report}");

    let for_ever =
        serve(|_| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "999999999")])).await;
    let (report, _) = scan(&for_ever.url).await;
    assert_eq!(report.retry_after(), Some(Duration::from_secs(3_600)), "{report}");
}

/// A directory that never says that it is at its end does not keep the scan for ever.
#[tokio::test]
async fn sees_through_endless_pages() {
    let empty = serve(|offset| page(offset, if offset == 0 { 3 } else { 0 }, true)).await;
    let (report, _) = scan(&empty.url).await;
    assert_eq!((report.created, report.stop), (3, Stop::End));

    let same = serve(|_| page(0, 3, true)).await;
    let (report, _) = scan(&same.url).await;
    assert_eq!((report.created, report.stop), (3, Stop::Repeats));

    let growing = serve(|offset| page(offset, 1, true)).await;
    let (report, _) = scan_capped(&growing.url, 4, 10_000).await;
    assert_eq!((report.created, report.pages, report.stop), (4, 4, Stop::PagesMax));
}

/// Once nothing more may be created, the page is read to its end and no other is asked for.
#[tokio::test]
async fn asks_for_no_page_in_vain() {
    let served = serve(|offset| page(offset, 10, true)).await;
    let (report, created) = scan_capped(&served.url, 100, 15).await;
    assert_eq!((report.seen, created.len(), report.new), (20, 15, 20), "{report}");
    assert_eq!(*served.asked.lock().unwrap(), [0, 10]);
}

/// An answer that is too big, garbled, cut short or not there at all fails the scan only.
#[tokio::test]
async fn survives_nonsense() {
    let check = async |url: &str, says: &str| {
        let (report, created) = scan(url).await;
        let told = report.to_string();
        assert!(told.contains(says) && created.is_empty(), "{told}");
    };
    let big = serve(|_| format!("{{\"agents\":[{}{{}}]}}", "{},".repeat(1_500_000))).await;
    check(&big.url, "more than 4194304 bytes").await;
    let html = serve(|_| "<html>checking your browser</html>").await;
    check(&html.url, "make sense of").await;
    let moved = serve(|_| (StatusCode::FOUND, [("location", "/api/agents?offset=1")])).await;
    check(&moved.url, "ask the directory").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check(&format!("http://{gone}/api"), "ask the directory").await;
}

/// Told to stop, the scan ends between two candidates or in the middle of a request.
#[tokio::test]
async fn stops_when_told() {
    let served = serve(|offset| page(offset, 3, true)).await;
    let mut directory = Directory::new(&served.url, Network::Mainnet).unwrap();
    let mut cycle = Cycle::new(Plan { pages_max: 9, cap_cycle: 99, excluded: BTreeSet::new() });
    let stop = CancellationToken::new();
    struct Once(CancellationToken, Eager);
    impl Desk<Payee, Agent> for Once {
        async fn decide(&mut self, cycle: &mut Cycle, payee: Payee, a: &Agent) -> Result<(), Stop> {
            self.0.cancel();
            self.1.decide(cycle, payee, a).await
        }
        fn exhausted(&self) -> bool {
            false
        }
    }
    let mut desk = Once(stop.clone(), Eager::default());
    let ended = walk(&mut directory, &mut cycle, &mut desk, &stop).await;
    assert_eq!(
        (ended, desk.1.created.len()),
        (Stop::Interrupted, 1),
        "the create was not finished"
    );
}
