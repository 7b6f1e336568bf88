//! The list of payments, and the story of one.

use serde_json::{Value, json};

use super::{json_and_code, payments, said};
use crate::{
    harness::Job,
    payments::bench::{addresses, all_welcomed_once, broken, closed_for, open},
};

async fn one(job: &Job, name: &str) -> Value {
    let told = json_and_code(job, &["payment", "show", name], 0).await;
    let shown = told["payments"].as_array().unwrap();
    assert_eq!(shown.len(), 1, "{told}");
    shown[0].clone()
}

/// A payment that met the stuck relay: under the closed gate its story says that a person acts
/// next and with which command; opened, it ends settled, each step told with its time. By
/// address, source key, payment key and task key it is the same payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_payment_has_its_story() {
    let job = broken("march", 1, json!({ "stuck_nonce": true })).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "relay", "relay.nonce-conflict").await;
    let agent = addresses(&job).await[0].clone();
    let stuck = one(&job, &agent).await;
    assert_eq!((&stuck["stage"], &stuck["who"]), (&"unknown".into(), &"person".into()), "{stuck}");
    assert_eq!(stuck["command"], "portcullis gate open relay --note \"…\"", "{stuck}");
    assert_eq!((&stuck["nonce"], &stuck["posts"]), (&0.into(), &1.into()), "{stuck}");
    assert_eq!((&stuck["tasks"][0]["ended"], &stuck["contact"]), (&false.into(), &Value::Null));
    let listed = json_and_code(&job, &["payment", "list", "--unfinished"], 0).await;
    assert_eq!(listed["by_stage"], json!({ "unknown": 1 }), "{listed}");

    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    let done = one(&job, &agent).await;
    assert_eq!((&done["stage"], &done["who"]), (&"settled".into(), &"nobody".into()), "{done}");
    assert_eq!(done["tasks"][0]["phase"], "completed", "{done}");
    assert!(done["contact"]["how"].as_str().unwrap().contains("settled"), "{done}");
    let steps = done["steps"].as_array().unwrap();
    let stages: Vec<&str> = steps.iter().map(|step| step["stage"].as_str().unwrap()).collect();
    assert_eq!(stages[..4], ["intent", "signed", "sent", "unknown"], "{done}");
    assert_eq!(stages.last(), Some(&"settled"), "{done}");
    assert!(steps[1]["details"][0].as_str().unwrap().contains("sha256"), "{done}");

    let source = format!("welcome/{agent}");
    let task: domain::SourceKey = source.parse().unwrap();
    let (task, key) = (task.key().to_string(), done["key"].as_str().unwrap().to_owned());
    for name in [source, task, key] {
        assert_eq!(one(&job, &name).await["key"], done["key"]);
    }
    it_keeps_its_secrets(&job, &agent).await;
}

/// M3: neither the signed bytes nor the payment header are shown: whoever has them can pay.
async fn it_keeps_its_secrets(job: &Job, agent: &str) {
    let signed = payments(job).await[0].signed().cloned().unwrap();
    let bytes = stacks::hex::encode(&signed.bytes);
    for args in [&["payment", "show", agent][..], &["payment", "list"]] {
        for json in [&["--json"][..], &[]] {
            let output = job.world.cli(&[args, json].concat()).await;
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(shown.contains(agent), "{shown}");
            for secret in [&bytes[..40], &signed.header[..40]] {
                assert!(!shown.contains(secret), "{secret} is in {shown}");
            }
        }
    }
}

/// The list counts with its parts, filters, and says what it cuts off; nobody is 5, nonsense 2.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_counts_its_parts() {
    let job = broken("march", 3, json!({})).await;
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    drop(services);
    let list = json_and_code(&job, &["payment", "list", "--limit", "2"], 0).await;
    assert_eq!((&list["count"], &list["cut_off"]), (&3.into(), &true.into()), "{list}");
    assert_eq!(list["payments"].as_array().unwrap().len(), 2);
    assert_eq!(list["sats_by_stage"], json!({ "settled": 300 }), "{list}");
    let times: Vec<&str> =
        list["payments"].as_array().unwrap().iter().map(|p| p["at"].as_str().unwrap()).collect();
    assert!(times[1] <= times[0], "newest first: {times:?}");
    let stage = |stage| ["payment", "list", "--stage", stage];
    assert_eq!(json_and_code(&job, &stage("settled"), 0).await["count"], 3);
    assert_eq!(json_and_code(&job, &stage("rejected"), 0).await["count"], 0);
    assert_eq!(json_and_code(&job, &["payment", "list", "--unfinished"], 0).await["count"], 0);
    let since = |time| ["payment", "list", "--since", time];
    assert_eq!(json_and_code(&job, &since("0s"), 0).await["count"], 0);
    assert_eq!(json_and_code(&job, &since("1h"), 0).await["count"], 3);

    let output = job.world.cli(&["payment", "list"]).await;
    assert!(said(&output).contains("3 payments = 3 settled; 300 sats = 300 settled"));
    let nobody = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";
    let output = job.world.cli(&["payment", "show", nobody]).await;
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    let output = job.world.cli(&["payment", "show", "SPNOBODY"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
