//! SRS: nothing is signed or numbered; `client_id` names the publishing. `on_publish` is a question, and no proof that it comes on air. Its
//! `heartbeat`, if it is sent here, shows that it lives.
use super::{Call, Heard, Keys, Loose, PublishRequest, Refused, Report, pairs};
use crate::{
    hub::media::{Births, EpochId, Fact, MediaSession, Phase, Publisher, StreamId},
    wire::media::Sign,
};

pub(super) fn hear(keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    let body = Loose::parse(call.body).ok_or(Refused::Body)?;
    let action = body.text("action").unwrap_or_else(|| call.hook.to_owned());
    if action == "heartbeat" {
        let space = body.text("device_id").unwrap_or_default();
        return Ok(Heard::Report(Report {
            space,
            births: Births::Times,
            facts: Vec::new(),
            nonce: None,
            poll: false,
            sign: Some(Sign::Alive),
        }));
    }
    let phase = match action.as_str() {
        "on_publish" => Phase::Pending,
        "on_unpublish" => Phase::Closed,
        _ => return Ok(Heard::Nothing),
    };
    let field = |name: &str| body.text(name).filter(|text| !text.is_empty()).ok_or(Refused::Body);
    let (server, client, app, name) = (field("server_id")?, field("client_id")?, field("app")?, field("stream")?);
    let vhost = body.text("vhost").unwrap_or_default();
    let stream = format!("{vhost}/{app}/{name}");
    let ticket = body.text("param").and_then(|param| pairs(&param).find(|(key, _)| *key == keys.ticket_param));
    let ticket = ticket.map(|(_, ticket)| ticket);
    let epoch = EpochId::new(&body.text("service_id").unwrap_or_default());
    let born = (phase == Phase::Pending).then_some(call.wall_ms);
    let seen = Fact::EpochSeen { epoch: epoch.clone(), birth: call.wall_ms };
    let fact = Fact::Session {
        epoch,
        stream: StreamId::new(&stream),
        session: MediaSession::new(&client),
        phase,
        birth: born,
        publisher: ticket.as_deref().map(Publisher::new),
        parent: None,
    };
    let report = Report { space: server, births: Births::Times, facts: vec![seen, fact], nonce: None, poll: false, sign: None };
    Ok(match phase {
        Phase::Pending => Heard::Publish(PublishRequest { stream, ticket, session: client, report }),
        _ => Heard::Report(report),
    })
}
