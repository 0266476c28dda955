//! Several commands at once, and commands that are only tried out.
use super::{Model, Refusal, Reply, no, no_with, text};
use serde_json::{Value, json};

impl Model {
    /// Decides operations in order, each in the room that those before it left.
    pub(super) fn batch(&mut self, actor: &str, frame: &Value) -> Result<Reply, Refusal> {
        let atomic = frame["atomic"] != false;
        let before = self.s.clone();
        let mut results = Vec::new();
        for (index, op) in frame["ops"].as_array().into_iter().flatten().enumerate() {
            let mut op = op.clone();
            op["if_rev"] = frame["if_rev"].clone();
            match self.one(actor, &op) {
                Ok(reply) if reply.noop => results.push(json!({"ok": true, "noop": true})),
                Ok(reply) => {
                    let mut line = reply.own.clone();
                    line["ok"] = json!(true);
                    line["rev"] = json!(reply.rev);
                    if line["event"] == "member_kicked" || line["event"] == "member_banned" {
                        let out = text(&line, "user_id").to_owned();
                        self.s.live.retain(|user| *user != out);
                    }
                    results.push(line);
                }
                Err(refusal) if atomic => {
                    self.s = before;
                    self.steps.clear();
                    return no_with(
                        "batch_failed",
                        json!({"index": index, "error": {"name": refusal.name, "details": refusal.details}}),
                    );
                }
                Err(refusal) => results.push(json!({"ok": false, "name": refusal.name})),
            }
        }
        let noop = self.steps.is_empty();
        Ok(Reply { rev: self.s.rev, dup: false, noop, own: Value::Null, results: Some(Value::Array(results)) })
    }

    /// Tries a command out on a copy.
    pub(super) fn explain(&self, actor: &str, frame: &Value) -> Result<Reply, Refusal> {
        let other = frame["as_user_id"].as_str();
        let foreign = actor != "service" && other.is_some_and(|other| other != actor);
        if foreign && self.s.level_of(actor) < 600 && !self.s.has_perm(actor, "explain") {
            return no("forbidden");
        }
        let tried = other.unwrap_or(actor);
        let mut copy = self.clone();
        let mut command = frame["command"].clone();
        command["if_rev"] = frame["if_rev"].clone();
        let own = match copy.one(tried, &command) {
            Ok(reply) if reply.noop => json!({"would": "ok", "noop": true}),
            Ok(reply) => {
                let mut own = reply.own;
                if let Some(fields) = own.as_object_mut() {
                    // Ids are the hub's to choose.
                    fields.retain(|name, _| !name.ends_with("_id") || name == "user_id" || name == "role_id");
                }
                own["would"] = json!("ok");
                own
            }
            Err(refusal) => json!({"would": "error", "name": refusal.name, "details": refusal.details}),
        };
        Ok(Reply { rev: self.s.rev, dup: false, noop: own["noop"] == true, own, results: None })
    }
}
