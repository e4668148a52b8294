//! What ends when something is used up.

use super::provider::{STREAM, Turn, completed, event, good};
use super::*;
use arena_domain::ending::Trouble;

fn limited(budgets: Budgets) -> Policy {
    Policy { budgets, ..policy() }
}

fn money(limit_usd: f64) -> Policy {
    Policy { session_cost: Some(SessionCost { limit_usd, spent_usd: 0.0 }), ..policy() }
}

#[tokio::test]
async fn a_used_up_budget_is_said_in_words_that_no_engine_retries() {
    let rows = [
        Budgets { requests: Some(2), ..Budgets::default() },
        Budgets { tokens: Some(150), ..Budgets::default() },
        Budgets { cost_usd: Some(0.0015), ..Budgets::default() },
    ];
    for budgets in rows {
        let desk = desk(Provided::saying(good(50, 100)).await).await;
        let door = desk.broker.open(limited(budgets)).unwrap();
        let answers = [ask(&door).await, ask(&door).await, ask(&door).await];
        assert_eq!(status(&answers[0]), 200);
        assert_eq!(status(&answers[2]), 400, "{budgets:?}");
        assert!(answers[2].contains("arena: budget exhausted"), "{}", answers[2]);
        let account = door.close().await;
        assert_eq!((account.trouble, account.refused > 0), (Some(Trouble::Budget), true));
        let refused = lines(&account.audit).pop().unwrap();
        assert_eq!((&refused["refused"], &refused["attempts"]), (&"arena: budget exhausted".into(), &0.into()));
    }
}

#[tokio::test]
async fn a_running_answer_ends_where_a_budget_does() {
    let delta = event(&format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{}\"}}", "w".repeat(400)));
    let rows = [
        Budgets { tokens: Some(1000), ..Budgets::default() },
        Budgets { bytes: Some(5000), ..Budgets::default() },
        Budgets { cost_usd: Some(0.01), ..Budgets::default() },
    ];
    for budgets in rows {
        let endless = Turn::Hang(format!("{STREAM}{}", delta.repeat(100)).into_bytes());
        let desk = desk(Provided::new(vec![endless]).await).await;
        let door = desk.broker.open(limited(budgets)).unwrap();
        let answer = ask(&door).await;
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("insufficient_quota") && answer.contains("arena: budget exhausted"), "{answer}");
        assert_eq!(status(&ask(&door).await), 400, "{budgets:?}");
        let account = door.close().await;
        assert_eq!((account.trouble, account.usage.output_tokens), (Some(Trouble::Budget), None));
    }
}

#[tokio::test]
async fn a_budget_of_a_session_is_shared_by_its_engines_and_survives_the_worker() {
    // Each answer costs 0.4 dollars; each sets 0.01 aside.
    let desk = desk(Provided::saying(good(400_000, 0)).await).await;
    let doors: Vec<Door> = (0..3).map(|_| desk.broker.open(money(1.0)).unwrap()).collect();
    let mut answered = 0;
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(ask(&doors[0]), ask(&doors[1]), ask(&doors[2]));
        answered += [one, two, three].iter().filter(|answer| status(answer) == 200).count();
    }
    assert!((3..=5).contains(&answered), "{answered}");
    for door in doors {
        assert_eq!(door.close().await.trouble, Some(Trouble::Budget));
    }
    let again = Broker::new(desk.broker.0.settings.clone()).unwrap();
    let door = again.open(money(1.0)).unwrap();
    assert_eq!(status(&ask(&door).await), 400, "what was spent before a restart stays spent");
    door.close().await;
}

#[tokio::test]
async fn engines_at_once_pass_a_budget_by_no_more_than_one_answer() {
    // 1,000 output tokens are said and used: 0.01 dollars an answer, and a little for the input.
    let desk = desk(Provided::saying(good(10, 1000)).await).await;
    let doors: Vec<Door> = (0..3).map(|_| desk.broker.open(money(0.035)).unwrap()).collect();
    for _ in 0..3 {
        tokio::join!(ask(&doors[0]), ask(&doors[1]), ask(&doors[2]));
    }
    let mut spent = 0.0;
    for door in doors {
        spent += door.close().await.usage.cost_usd.unwrap();
    }
    assert!(spent > 0.025 && spent <= 0.035 + 0.01001, "{spent}");
}

#[tokio::test]
async fn a_cost_budget_without_a_price_does_not_open() {
    let flags = [("provider.openai.models", "gpt-*,other".to_owned())];
    let desk = desk_with(Provided::saying(good(1, 1)).await, &flags).await;
    let unpriced = desk.broker.open(Policy { model: Some("other".into()), ..money(1.0) }).unwrap_err();
    assert_eq!(unpriced.to_string(), "there is a cost budget, and other of provider 'openai' has no price");
    assert!(unpriced.mend().contains("add price = { \"other\""), "{}", unpriced.mend());
    let door = desk.broker.open(money(1.0)).unwrap();
    let answer = raw(&door, &post("/v1/responses", "{\"model\":\"other\"}")).await;
    assert_eq!((status(&answer), desk.provider.seen().len()), (400, 0));
    assert_eq!(door.close().await.trouble, Some(Trouble::Model));
    let door = desk.broker.open(Policy { model: Some("other".into()), ..policy() }).unwrap();
    raw(&door, &post("/v1/responses", "{\"model\":\"other\",\"stream\":true}")).await;
    assert_eq!(door.close().await.usage.cost_usd, None, "without a price the cost is unknown");
}

#[tokio::test]
async fn a_model_that_is_not_allowed_is_refused() {
    let desk = desk(Provided::saying(format!("{STREAM}{}", completed(1, 1))).await).await;
    let door = desk.broker.open(Policy { models: vec!["gpt-5.5".into()], ..policy() }).unwrap();
    for model in ["llama", "gpt-4", "GPT-5.5"] {
        let answer = raw(&door, &post("/v1/responses", &format!("{{\"model\":\"{model}\"}}"))).await;
        assert_eq!(status(&answer), 400, "{model}");
        assert!(answer.contains(&format!("model '{model}' is not allowed")), "{answer}");
    }
    assert_eq!(door.trouble(), Some(Trouble::Model));
    assert_eq!(desk.provider.seen(), Vec::<String>::new());
    assert!(matches!(
        desk.broker.open(Policy { model: Some("llama".into()), ..policy() }),
        Err(OpenError::Model { .. })
    ));
    door.close().await;
}
