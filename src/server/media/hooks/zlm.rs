//! ZLMediaKit: our ticket in the publish URL names the publishing, and comes back when it ends. Its counter orders nothing: a retried old
//! event gets a newer number, so it is only a hint for streams without a ticket.
use super::{Call, Heard, Keys, Loose, PublishRequest, Refused, Report, pairs};
use crate::{
    hub::media::{Births, EpochId, Fact, MediaSession, Phase, Publisher, StreamId},
    wire::media::Sign,
};

pub(super) fn hear(keys: &Keys, call: &Call) -> Result<Heard, Refused> {
    let body = Loose::parse(call.body).ok_or(Refused::Body)?;
    let id = body.text("mediaServerId").or_else(|| body.text("general.mediaServerId")).ok_or(Refused::Body)?;
    // `node:boot`: a boot id that rises tells which streams died with the process.
    let (node, boot) = id.rsplit_once(':').unwrap_or((&id, ""));
    let epoch = EpochId::new(boot);
    let report = |facts, poll| Report { space: node.to_owned(), births: Births::Grants, facts, nonce: None, poll, sign: None };
    let sign = |facts, poll, sign| Report { sign: Some(sign), ..report(facts, poll) };
    match call.hook {
        "on_publish" => {
            let (stream, fact, ticket) = stream(keys, &body, epoch, Phase::Pending)?;
            let session = body.text("id").unwrap_or_default();
            Ok(Heard::Publish(PublishRequest { stream, ticket, session, report: report(vec![fact], false) }))
        }
        "on_stream_changed" => {
            let on = body.flag("regist").ok_or(Refused::Body)?;
            let (_, fact, ticket) = stream(keys, &body, epoch, if on { Phase::Open } else { Phase::Closed })?;
            Ok(Heard::Report(report(vec![fact], ticket.is_none())))
        }
        "on_server_started" => Ok(Heard::Report(sign(vec![Fact::EpochSeen { epoch, birth: 0 }], true, Sign::Started))),
        "on_server_keepalive" => Ok(Heard::Report(sign(Vec::new(), false, Sign::Alive))),
        "on_server_exited" => Ok(Heard::Report(sign(Vec::new(), true, Sign::Exited))),
        _ => Ok(Heard::Nothing),
    }
}

fn stream(keys: &Keys, body: &Loose, epoch: EpochId, phase: Phase) -> Result<(String, Fact, Option<String>), Refused> {
    let field = |name: &str| body.text(name).filter(|text| !text.is_empty()).ok_or(Refused::Body);
    let name = format!("{}/{}/{}", body.text("vhost").unwrap_or_default(), field("app")?, field("stream")?);
    let ticket = body.text("params").and_then(|params| pairs(&params).find(|(key, _)| *key == keys.ticket_param));
    let ticket = ticket.map(|(_, ticket)| ticket);
    let stream = StreamId::new(&name);
    let fact = match (&ticket, phase) {
        (None, Phase::Open | Phase::Closed) => Fact::Numbered {
            epoch,
            stream,
            seq: body.number("hook_index").unwrap_or_default(),
            closed: phase == Phase::Closed,
            birth: 0,
            session: MediaSession::new("unnamed"),
            publisher: Publisher::new(""),
        },
        _ => Fact::Session {
            epoch,
            stream,
            session: MediaSession::new(ticket.as_deref().unwrap_or("unnamed")),
            phase,
            birth: ticket.as_deref().and_then(crate::server::auth::ticket::grant_of),
            publisher: ticket.as_deref().map(Publisher::new),
            parent: None,
        },
    };
    Ok((name, fact, ticket))
}
