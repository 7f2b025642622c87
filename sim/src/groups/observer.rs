//! Creates the topics, then asks for every group's offsets and state again and again, as tools do.

use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{random_u64, sleep};
use millrace_wire::ErrorCode;

use super::flow::{GroupFlow, LOOK_AGAIN};
use super::joining;
use super::offsets_requests::{self as offsets, FETCH_OF_ALL};
use crate::broker::client::{Broken, Client};
use crate::broker::requests;

/// Between two looks at all groups.
const PAUSE: Duration = Duration::from_millis(15);
const FETCH_VERSIONS: i16 = 10;
const FIND_VERSION: i16 = 4;

/// Runs until the world ends.
pub(crate) async fn observe(flow: GroupFlow) {
    loop {
        if let Ok(mut client) = Client::connect(flow.broker()).await
            && let Err(Broken::Nonsense(reason)) = look(&flow, &mut client).await
        {
            flow.ledger.borrow_mut().violate(format!("seen: {reason}"));
            return;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Uses one connection until it breaks.
async fn look(flow: &GroupFlow, client: &mut Client) -> Result<(), Broken> {
    if flow.topic_ids().is_empty() {
        create_topics(flow, client).await?;
    }
    loop {
        let asked = flow.looks_asked();
        for group in 0..flow.plan.groups.len() {
            while !look_at(flow, client, group).await? {
                sleep(LOOK_AGAIN).await;
            }
        }
        flow.looked(asked);
        sleep(PAUSE).await;
    }
}

async fn create_topics(flow: &GroupFlow, client: &mut Client) -> Result<(), Broken> {
    let mut ids = Vec::new();
    for topic in &flow.plan.topics {
        match requests::create_topic(client, topic).await? {
            ErrorCode::None | ErrorCode::TopicAlreadyExists => {}
            error => return Err(Broken::Nonsense(format!("{} was not created: {error:?}", topic.name))),
        }
        ids.push(requests::topic_id(client, topic.name).await?.id);
    }
    flow.topics_are(ids);
    Ok(())
}

/// Whether the group's coordinator could tell.
async fn look_at(flow: &GroupFlow, client: &mut Client, group: usize) -> Result<bool, Broken> {
    let plan = Rc::clone(&flow.plan);
    let name = plan.groups[group].name.as_str();
    if joining::find(client, FIND_VERSION, name).await? != ErrorCode::None {
        return Ok(false);
    }
    let version = 1 + (random_u64() % FETCH_VERSIONS as u64) as i16;
    let places = plan.places(group);
    let of_all = version >= FETCH_OF_ALL && random_u64().is_multiple_of(2);
    let wanted = if of_all { None } else { Some(places.as_slice()) };
    let floors = flow.ledger.borrow().offsets.floors(group, &places);
    let fetched = match offsets::fetch(client, &plan, &flow.topic_ids(), (name, version), wanted).await? {
        Ok(fetched) => fetched,
        Err(error) => return is_later(error).map(|()| false),
    };
    for (&place, &floor) in &floors {
        let judged =
            flow.ledger.borrow_mut().offsets.judge(&plan, group, (place, floor), fetched.get(&place));
        judged.map_err(Broken::Nonsense)?;
    }
    match joining::describe(client, name).await? {
        Ok(described) => flow.ledger.borrow_mut().described[group] = Some(described),
        // Nobody has joined yet.
        Err(ErrorCode::GroupIdNotFound) => {}
        Err(error) => return is_later(error).map(|()| false),
    }
    Ok(true)
}

fn is_later(error: ErrorCode) -> Result<(), Broken> {
    match error {
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => Ok(()),
        error => Err(Broken::Nonsense(format!("a group is answered {error:?}"))),
    }
}
