//! What is asked and what is answered.

use domain::{GateState, Phase};
use serde_json::json;

use super::bench::Bench;

/// The kind's prompt is filled from the payload, and what was written is the task's effect, with
/// its message id, its tokens and its cost. A kind without a prompt takes the payload's.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_filled_and_answered() {
    let bench = Bench::set(false).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");
    assert_eq!(
        bench.add("prompt", "p/1", json!({"about": "gates", "prompt": "no"})).await,
        Some(0)
    );
    let state = bench.world.phase("prompt", "p/1", "completed").await;
    let Phase::Completed { effect } = &state.phase else { panic!("{state:?}") };
    assert_eq!(effect, "msg_sandbox_00000001: You asked: About gates");
    // 11 bytes asked, 22 characters written: 3 and 6 tokens at 3 and 15 dollars a million.
    assert_eq!((state.cost.tokens_in, state.cost.tokens_out), (3, 6));
    assert_eq!(state.cost.micro_usd.get(), 3 * 3 + 6 * 15);

    let said = json!({"messages": [{"role": "user", "content": "why"}], "max_tokens": 2});
    assert_eq!(bench.add("free", "f/1", said).await, Some(0));
    let state = bench.world.phase("free", "f/1", "completed").await;
    let Phase::Completed { effect } = &state.phase else { panic!("{state:?}") };
    assert!(effect.ends_with(" (cut off at max_tokens = 2): You aske"), "{effect}");

    // Whatever repeats the secret, it is not kept.
    let secret = bench.renew().await;
    bench.control("faults", json!({ "answer": format!("<{secret}>") })).await;
    assert_eq!(bench.add("free", "f/echo", json!({"prompt": "x"})).await, Some(0));
    let state = bench.world.phase("free", "f/echo", "completed").await;
    let Phase::Completed { effect } = &state.phase else { panic!("{state:?}") };
    assert!(effect.ends_with(": <…>"), "{effect}");
}

/// What is the task's own is charged, until its attempts are spent; a model that does not exist
/// is the kind's, closes the kind's own gate, and holds nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn whose_fault_it_is() {
    let bench = Bench::set(true).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");
    bench.control("faults", json!({"refusals": 2})).await;
    assert_eq!(bench.add("free", "f/refused", json!({"prompt": "x"})).await, Some(0));
    let state = bench.world.phase("free", "f/refused", "dead").await;
    assert_eq!(state.phase, Phase::Dead { cause: "anthropic.refused".parse().unwrap() });
    assert!(state.cost.micro_usd.get() > 0, "refusing costs too");
    assert_eq!(bench.add("free", "f/senseless", json!({"max_tokens": 1})).await, Some(0));
    let state = bench.world.phase("free", "f/senseless", "dead").await;
    assert_eq!(
        (state.phase, state.cost.micro_usd.get()),
        (Phase::Dead { cause: "task.invalid".parse().unwrap() }, 0)
    );

    bench.control("faults", json!({"models": ["claude-next"]})).await;
    assert_eq!(bench.add("free", "f/nobody", json!({"prompt": "x"})).await, Some(0));
    let closed = bench.world.gate_is("kind-free", GateState::Closed).await;
    assert_eq!(closed.causes, ["anthropic.model-unknown".parse().unwrap()]);
    assert_eq!(bench.world.gate("anthropic").await.state, GateState::Open);
    assert_eq!(bench.of("api-key").await["calls"], 0);
}
