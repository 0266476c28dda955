//! A script as Redis is asked to run it: by its name, or whole. Sends nothing.
use redis::Cmd;

/// A script and the name under which Redis keeps it.
pub struct Lua {
    code: &'static str,
    hash: String,
}

impl Lua {
    /// Names a script.
    #[must_use]
    pub fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Asks for it by its name; a server that does not know it says NOSCRIPT.
    pub(super) fn by_hash(&self, keys: &[String], args: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.hash, keys, args)
    }

    /// Asks for it with its text.
    pub(super) fn whole(&self, keys: &[String], args: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys, args)
    }
}

fn call(name: &str, what: &str, keys: &[String], args: &[&[u8]]) -> Cmd {
    let mut cmd = redis::cmd(name);
    cmd.arg(what).arg(keys.len()).arg(keys).arg(args);
    cmd
}
