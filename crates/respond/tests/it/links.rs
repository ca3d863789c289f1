//! Links in alerts: looked at without an effect, followed once.

use serde_json::{Value, json};
use trailloop_respond::links::LinkError;
use trailloop_respond::token::Secret;
use trailloop_respond::{Phase, Responder};

use crate::kit::Kit;

/// The tokens of the links in the last message, by the words on them.
fn tokens(kit: &Kit) -> Vec<(String, String)> {
    let mut found = Vec::new();
    fn walk(value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(members) => {
                if let (Some(url), Some(text)) = (members.get("url"), members.get("text")) {
                    let label = text["text"].as_str().unwrap_or_default().to_owned();
                    let token = url.as_str().unwrap().split_once("?t=").unwrap().1.to_owned();
                    found.push((label, token));
                }
                members.values().for_each(|value| walk(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let body = kit.notifier.posts().last().unwrap().body.clone();
    walk(&serde_json::from_str(&body).unwrap(), &mut found);
    found
}

fn with_links(kit: &Kit) -> Responder {
    let mut responder = kit.responder();
    responder.destinations.secret = Some(Secret::new(vec![7; 32]).unwrap());
    responder.destinations.link_url = Some("https://trailloop.example.com".to_owned());
    responder
}

#[tokio::test]
async fn a_link_approves_once_and_not_by_being_looked_at() {
    let kit = Kit::new();
    let responder = with_links(&kit);
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let tokens = tokens(&kit);
    let (_, approve) = tokens.iter().find(|(label, _)| label == "Approve").unwrap();
    responder.look_at(approve).unwrap();
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::AwaitingApproval, "looked at, not followed");

    let mut forged = approve.clone();
    forged.pop();
    assert!(matches!(responder.follow(&forged).await, Err(LinkError::Token(_))));
    responder.follow(approve).await.unwrap();
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Verifying);
    assert!(matches!(responder.follow(approve).await, Err(LinkError::Used)));
    let (_, reject) = tokens.iter().find(|(label, _)| label == "Reject").unwrap();
    let late = responder.follow(reject).await;
    assert!(
        matches!(late, Err(LinkError::InVain(_))),
        "a word that comes too late is not called done"
    );

    let (_, wrong) = tokens.iter().find(|(label, _)| label == "Rule wrong").unwrap();
    responder.follow(wrong).await.unwrap();
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Undone, "a verdict undoes at once");
}
