//! The configuration: what is built in, what is refused, and how a mistake is named.
use super::*;

fn read(toml: &str) -> Result<Config, ConfigError> {
    Config::read(&Figment::from(Toml::string(toml)), |_| ())
}

#[test]
fn the_file_says_what_is_built_in() {
    let file = include_str!("../../../config.toml");
    assert_eq!(read(file).unwrap(), read("").unwrap());
    let sections: [&[&str]; 15] = [
        ServerConfig::KEYS,
        StoreConfig::KEYS,
        EmbeddedConfig::KEYS,
        HistoryConfig::KEYS,
        RedisConfig::KEYS,
        PresenceConfig::KEYS,
        RoomConfig::KEYS,
        MessagesConfig::KEYS,
        AuthConfig::KEYS,
        JwtConfig::KEYS,
        LimitsConfig::KEYS,
        MediaConfig::KEYS,
        LogConfig::KEYS,
        TelemetryConfig::KEYS,
        WebhookConfig::KEYS,
    ];
    for key in sections.concat().iter().chain(crate::wire::rules::KEYS) {
        assert!(file.contains(key), "{key} is not documented in config.toml");
    }
}

#[test]
fn mistakes_are_named() {
    for (toml, part) in [
        ("[presence]\nheartbeat_timeout_ms = 59000", "presence.heartbeat_timeout_ms"),
        (
            "[presence]\nheartbeat_intervall_ms = 1",
            "presence.heartbeat_intervall_ms: there is no such key; did you mean presence.heartbeat_interval_ms?",
        ),
        ("[server]\nlisten = \"0.0.0.0:80\"", "dev_allow_remote"),
        ("[auth]\nmode = \"jwt\"", "auth.jwt"),
        ("[store]\nkind = \"redis\"\n[store.redis]\nurl = \"somewhere\"", "store.redis.url"),
        ("[store.redis]\nkey_prefix = \"{a}\"", "store.redis.key_prefix"),
        ("[webhook.a]\nurl = \"http://example.com\"", "webhook.a.url: https://"),
        ("[webhook.a]\nurl = \"https://example.com\"", "webhook.a.secrets: 1 to 8"),
        ("[webhook.a]\nurl = \"https://example.com\"\nsecrets = [\"x\"]", "webhook.a.secrets: whsec_"),
        ("[webhook.A]", "webhook.A: a name"),
        ("[webhook.a]\nurls = \"x\"", "did you mean webhook.a.url?"),
        ("[room.rules]\nmax_mic_count = 65", "/max_mic_count: 1 to 64 seats"),
        ("[[room.rules.roles]]\nrole_id = \"dj\"\nlevl = 3", "/roles/0/levl"),
    ] {
        let message = read(toml).unwrap_err().to_string();
        assert!(message.contains(part), "{toml}: {message}");
    }
}

#[test]
fn mistakes_in_variables_are_named_by_their_variable() {
    for (key, value, part) in [
        ("server.listn", "x", "MICHUB_SERVER__LISTN: there is no such key; did you mean MICHUB_SERVER__LISTEN?"),
        ("servr.listen", "x", "MICHUB_SERVR: there is no such key; did you mean MICHUB_SERVER?"),
        ("auth_mode", "jwt", "MICHUB_AUTH_MODE: there is no such key; did you mean MICHUB_AUTH__MODE?"),
        ("server.shards", "x", "MICHUB_SERVER__SHARDS: string \"x\" is not a whole number from 0 up"),
    ] {
        let provider = Variable(key, value);
        let message = Config::read(&Figment::from(provider), |_| ()).unwrap_err().to_string();
        assert_eq!(message, part);
    }
}

/// One variable as the environment's provider gives it.
struct Variable(&'static str, &'static str);

impl figment::Provider for Variable {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named("`MICHUB_` environment variable(s)")
    }

    fn data(&self) -> figment::error::Result<figment::value::Map<figment::Profile, figment::value::Dict>> {
        let dict = figment::util::nest(self.0, self.1.into()).into_dict().unwrap_or_default();
        Ok(figment::Profile::Default.collect(dict))
    }
}

#[test]
fn an_address_is_shown_without_its_password() {
    let shown = Address("rediss://me:secret@a:1,redis://b:2".to_owned()).to_string();
    assert_eq!(shown, "rediss://(redacted)@a:1,redis://b:2");
}

#[test]
fn rates_are_off_in_dev_unless_set() {
    assert_eq!(read("").unwrap().limits.frames_per_second, 0);
    assert_eq!(read("[limits]\nframes_per_second = 7").unwrap().limits.frames_per_second, 7);
    let jwt = "[auth]\nmode = \"jwt\"\n[auth.jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"";
    assert_eq!(read(jwt).unwrap().limits.frames_per_second, 10);
}

#[test]
fn a_mistake_is_found_on_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    for (toml, expected) in [
        ("[server]\nlisten = \"nope\"", "2: server.listen: not an address like 127.0.0.1:8080"),
        ("[server]\n\n  listen=8080", "3: server.listen: signed int `8080` is not an address like 127.0.0.1:8080"),
        ("# listen\n[serverr]\nlisten = \"a\"", "2: serverr: there is no such key; did you mean server?"),
        ("[presence]\nheartbeat_interval_ms = 50", "2: presence.heartbeat_interval_ms: at least 100 ms"),
        ("[auth]\nmode = \"jwt\"\n[auth.jwt]\nsecret = \"short\"", "4: auth.jwt.secret: at least 32 bytes"),
        ("[auth]\nmode = \"jwt\"", "1: auth.jwt: a secret or a jwks_file in auth.mode = \"jwt\""),
        ("[limits]\nframe_bytes = -1", "2: limits.frame_bytes: signed int `-1` is not a whole number from 0 up"),
        ("[demo]\nenabled = \"yes\"", "2: demo.enabled: string \"yes\" is not true or false"),
        ("[auth]\napi_keys = \"k\"", "2: auth.api_keys: string \"k\" is not a list like [\"a\", \"b\"]"),
        ("[auth]\napi_keys = [\"good\", \"\"]", "2: auth.api_keys: keys of visible ASCII characters without spaces"),
        ("[auth]\napi_keys = [\"a b\"]", "2: auth.api_keys: keys of visible ASCII characters without spaces"),
        ("[presence]\nuser_types = []", "2: presence.user_types: at least one id of A-Z a-z 0-9 _ . : @ -"),
        ("[presence]\nuser_types = [\"a b\"]", "2: presence.user_types: at least one id of A-Z a-z 0-9 _ . : @ -"),
        ("[store]\nkind = \"mongo\"", "2: store.kind: `mongo` is none of embedded, redis"),
        ("[log]\nlevel = \"loud\"", "2: log.level: error, warn, info, debug, trace or off, or directives like info,michub=debug"),
        ("[room]\nauto_create = true\n[room.rules]\nmax_mic_count = 100", "3: room.rules: /max_mic_count: 1 to 64 seats"),
        ("[media.srs1]\nkind = \"srs\"\nsecret_path = \"short\"", "3: media.srs1.secret_path: at least 16 bytes, or env:NAME"),
        ("[webhook.main]\nurl = \"ftp://x\"", "2: webhook.main.url: https://"),
        ("listen = 1\n", "1: listen: there is no such key; did you mean store?"),
    ] {
        std::fs::write(&path, toml).unwrap();
        let message = Config::load(Some(&path), |_| ()).unwrap_err().to_string();
        assert_eq!(message, format!("{}:{expected}", path.display()), "{toml}");
    }
    std::fs::write(&path, "a = [broken").unwrap();
    let message = Config::load(Some(&path), |_| ()).unwrap_err().to_string();
    assert!(message.contains("c.toml") && message.contains("line 1, column"), "{message}");
    let missing = dir.path().join("none.toml");
    let message = Config::load(Some(&missing), |_| ()).unwrap_err().to_string();
    assert_eq!(message, format!("--config {}: there is no such file", missing.display()));
}

#[test]
fn origins_are_those_that_browsers_send() {
    let read = |origin: &str| read(&format!("[auth]\nallowed_origins = [\"{origin}\"]")).is_ok();
    for good in
        ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000", "capacitor://localhost", "file://", "null"]
    {
        assert!(read(good), "{good}");
    }
    for bad in [
        "*",
        "",
        "HTTPS://app.example.com",
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://App.example.com",
        "https://*.example.com",
    ] {
        assert!(!read(bad), "{bad}");
    }
}

#[test]
fn flags_come_last_and_are_checked_too() {
    let open = |config: &mut Config| config.server.listen = "0.0.0.0:80".parse().unwrap();
    let file = Figment::from(Toml::string("[server]\nlisten = \"0.0.0.0:80\""));
    assert!(Config::read(&Figment::new(), open).is_err(), "a flag may not let everybody in");
    assert!(Config::read(&file, |config| config.server.listen = loopback(80)).is_ok(), "the flag is in force, not the file");
}
