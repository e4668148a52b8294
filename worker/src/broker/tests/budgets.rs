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
        assert_eq!((account.trouble, account.run.output_tokens), (Some(Trouble::Budget), None));
        assert!(account.usage.output_tokens >= Some(1000), "no less than it may have cost: {:?}", account.usage);
    }
}

#[tokio::test]
async fn a_budget_of_a_session_is_shared_by_its_engines_and_survives_the_worker() {
    // Each answer costs 0.4 dollars, which are set aside.
    let large = post("/v1/responses", r#"{"model":"gpt-5.5","stream":true,"max_output_tokens":40000}"#);
    let desk = desk(Provided::saying(good(10, 40_000)).await).await;
    let doors: Vec<Door> = (0..3).map(|_| desk.broker.open(money(1.0)).unwrap()).collect();
    let mut answered = 0;
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(raw(&doors[0], &large), raw(&doors[1], &large), raw(&doors[2], &large));
        answered += [one, two, three].iter().filter(|answer| status(answer) == 200).count();
    }
    assert_eq!(answered, 3, "two fit, and one may pass the limit");
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
async fn a_word_of_another_api_does_not_make_an_answer_cheap() {
    // Thirty at once, each of which the provider makes as long as it likes.
    let desk = desk(Provided::saying(good(10, 20_000)).await).await;
    let door = desk.broker.open(money(0.05)).unwrap();
    let cheap = post(
        "/v1/responses",
        r#"{"model":"gpt-5.5","stream":true,"max_tokens":1,"generationConfig":{"maxOutputTokens":1}}"#,
    );
    let answers = futures_util::future::join_all((0..30).map(|_| raw(&door, &cheap))).await;
    assert_eq!(answers.iter().filter(|answer| status(answer) == 200).count(), 1);
    assert_eq!(door.close().await.trouble, Some(Trouble::Budget));
}

#[tokio::test]
async fn an_attempt_that_broke_is_not_repeated_without_money_for_both() {
    for (limit, attempts) in [(0.0105, 1), (0.0205, 2), (1.0, 3)] {
        let flags = [("broker.retries", "2".to_owned())];
        let desk = desk_with(Provided::new(vec![Turn::Say(Vec::new())]).await, &flags).await;
        let door = desk.broker.open(money(limit)).unwrap();
        assert_eq!(status(&ask(&door).await), 502);
        assert_eq!(desk.provider.seen().len(), attempts, "{limit}");
        let (usd, _) = charged(&door.close().await);
        assert!(usd > 0.01 * attempts as f64 && usd <= limit, "{limit}: {usd}");
    }
}

#[tokio::test]
async fn what_costs_nothing_does_not_fill_the_disk() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    for _ in 0..101 {
        let refused = "GET /v1/files HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
        let mut stream = connect(&door).await;
        stream.write_all(refused.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).await.unwrap();
    }
    assert_eq!(status(&ask(&door).await), 200);
    let account = door.close().await;
    assert_eq!(account.refused, 10_100);
    let path = std::fs::read_dir(desk.folder.path().join("audit")).unwrap().next().unwrap().unwrap().path();
    let written = lines(&std::fs::read(path).unwrap());
    let last = written.last().unwrap();
    assert_eq!((written.len(), last["event"].as_str(), last["lines"].as_u64()), (10_003, Some("more"), Some(100)));
    assert_eq!(written.iter().filter(|line| line["status"] == 200).count(), 1, "what costs is always written");
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

/// What this is charged with.
fn charged(account: &Account) -> (f64, u64) {
    let line = lines(&account.audit).pop().unwrap();
    (line["charged_usd"].as_f64().unwrap(), line["charged_tokens"].as_u64().unwrap())
}

#[tokio::test]
async fn an_answer_that_never_came_is_charged_as_it_was_set_aside() {
    let expected = ASK.len() as u64 + 1000;
    // The engine leaves before the answer.
    let desk1 = desk(Provided::new(vec![Turn::Hang(Vec::new())]).await).await;
    let door = desk1.broker.open(money(1.0)).unwrap();
    let mut stream = connect(&door).await;
    stream.write_all(&post("/v1/responses", ASK)).await.unwrap();
    while desk1.provider.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let (usd, tokens) = charged(&door.close().await);
    assert!(usd > 0.01 && tokens == expected, "left: {usd} {tokens}");
    // The provider is silent; it breaks; it answers in a way that cannot be read.
    let zipped = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab";
    for turn in [Turn::Hang(Vec::new()), Turn::Say(Vec::new()), Turn::Say(zipped.into())] {
        let flags = [("broker.idle_s", "1".to_owned()), ("broker.retries", "1".to_owned())];
        let desk = desk_with(Provided::new(vec![turn.clone()]).await, &flags).await;
        let door = desk.broker.open(money(1.0)).unwrap();
        ask(&door).await;
        let (usd, tokens) = charged(&door.close().await);
        assert!(usd > 0.01 && tokens >= expected, "{turn:?}: {usd} {tokens}");
    }
    // One that was never reached took nothing.
    let flags = [("provider.openai.upstream", "http://127.0.0.1:1".to_owned()), ("broker.retries", "1".to_owned())];
    let desk = desk_with(Provided::saying("").await, &flags).await;
    let door = desk.broker.open(money(1.0)).unwrap();
    ask(&door).await;
    assert_eq!(charged(&door.close().await), (0.0, 0));
}

#[tokio::test]
async fn an_answer_is_not_cut_by_its_bytes_when_it_fits() {
    // 8,000 bytes that are 900 tokens by the provider's word; four bytes a token would be 2,000.
    let delta = event(&format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{}\"}}", "w".repeat(8000)));
    let body = format!("{STREAM}{delta}{}", completed(29, 900));
    for budgets in
        [Budgets { tokens: Some(1000), ..Budgets::default() }, Budgets { cost_usd: Some(0.0095), ..Budgets::default() }]
    {
        for said in [ASK, r#"{"model":"gpt-5.5","stream":true}"#] {
            let desk = desk(Provided::saying(body.clone()).await).await;
            let door = desk.broker.open(limited(budgets)).unwrap();
            raw(&door, &post("/v1/responses", said)).await;
            let account = door.close().await;
            assert_eq!((account.trouble, account.usage.output_tokens), (None, Some(900)), "{budgets:?} {said}");
        }
    }
}

#[tokio::test]
async fn tokens_and_requests_at_once_are_passed_by_no_more_than_one_answer() {
    for (budgets, most) in [
        (Budgets { tokens: Some(2500), ..Budgets::default() }, 3),
        (Budgets { requests: Some(2), ..Budgets::default() }, 2),
    ] {
        let desk = desk(Provided::saying(good(10, 1000)).await).await;
        let door = desk.broker.open(limited(budgets)).unwrap();
        let all: Vec<_> = (0..8).map(|_| ask(&door)).collect();
        let answers = futures_util::future::join_all(all).await;
        let answered = answers.iter().filter(|answer| status(answer) == 200).count();
        assert!((2..=most).contains(&answered), "{budgets:?}: {answered}");
        door.close().await;
    }
}

#[tokio::test]
async fn what_a_killed_run_used_counts_for_every_budget_and_for_the_usage() {
    for budgets in [
        Budgets { requests: Some(2), ..Budgets::default() },
        Budgets { tokens: Some(1200), ..Budgets::default() },
        Budgets { cost_usd: Some(0.012), ..Budgets::default() },
    ] {
        let desk = desk(Provided::saying(good(100, 500)).await).await;
        let door = desk.broker.open(limited(budgets)).unwrap();
        ask(&door).await;
        door.close().await;
        // And one that was in flight when the worker was killed.
        let path = desk.folder.path().join("audit/s1.jsonl");
        let sent = r#"{"event":"sent","id":"x","job":"s1-a-1","is_priced":true,"set_aside_usd":0.0105,"input_tokens":30,"output_tokens":1000}"#;
        let other = sent.replace("s1-a-1", "s1-b-1").replace("\"x\"", "\"y\"");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{before}{sent}\n{other}\n")).unwrap();
        let again = Broker::new(desk.broker.0.settings.clone()).unwrap();
        let door = again.open(limited(budgets)).unwrap();
        assert_eq!(status(&ask(&door).await), 400, "{budgets:?}");
        let usage = door.close().await.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.requests), (Some(130), Some(1500), Some(2)));
        assert!((usage.cost_usd.unwrap() - 0.0156).abs() < 1e-9, "{usage:?}");
    }
}
