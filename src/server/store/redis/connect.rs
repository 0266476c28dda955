//! How to reach Redis: one server, the master that Sentinels name, or a Cluster; each connection with its own limits.
use crate::server::store::StoreFault;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How Redis is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "config.toml documents every value")]
pub enum Shape {
    Standalone,
    Sentinel,
    Cluster,
}

/// When a commit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "config.toml documents every value")]
pub enum Durability {
    Async,
    Replica,
    Disk,
}

/// Where Redis is, and for how long one waits for it.
#[derive(Clone)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct RedisSettings {
    pub urls: Vec<String>,
    pub shape: Shape,
    pub sentinel_master: String,
    pub username: String,
    pub password: String,
    pub ca_file: Option<PathBuf>,
    pub key_prefix: String,
    pub durability: Durability,
    pub connect_timeout: Duration,
    pub command_timeout: Duration,
    /// How long a command may wait for Redis altogether.
    pub wait: Duration,
    pub lease: Duration,
    /// How many revs of a room's log are kept at most for somebody who has still to read them.
    pub log_revs_max: u64,
}

/// A connection whose clones share it.
#[derive(Clone)]
pub enum Conn {
    /// To one server.
    Single(MultiplexedConnection),
    /// To the nodes of a cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(conn) => conn.req_packed_command(cmd),
            Self::Cluster(conn) => conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(conn) => conn.req_packed_commands(pipeline, offset, count),
            Self::Cluster(conn) => conn.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(conn) => conn.get_db(),
            Self::Cluster(conn) => conn.get_db(),
        }
    }
}

/// Hands what the server pushes to whoever listens.
type Push = tokio::sync::mpsc::UnboundedSender<redis::PushInfo>;

impl RedisSettings {
    /// Checks what can be checked without a server. Errors: an address that is none.
    pub fn check(&self) -> RedisResult<()> {
        self.infos().map(|_| ())
    }

    /// Checks the file of the authority. Errors: it cannot be read, or holds no certificate.
    pub fn check_files(&self) -> Result<(), StoreFault> {
        let Some(path) = &self.ca_file else { return Ok(()) };
        let wrong = |why: String| StoreFault::Engine(format!("ca_file {}: {why}", path.display()).into());
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match certificates {
            Ok(all) if all.is_empty() => Err(wrong("there is no certificate in it".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Says where Redis is looked for, without any password.
    #[must_use]
    pub fn place(&self) -> String {
        let infos = self.infos().unwrap_or_default();
        infos.iter().map(|info| info.addr().to_string()).collect::<Vec<_>>().join(",")
    }

    /// Tells whether another database than the first is named.
    pub(super) fn names_a_database(&self) -> bool {
        self.infos().is_ok_and(|infos| infos.iter().any(|info| info.redis_settings().db() != 0))
    }

    /// Tells whether there is a user other than the default one.
    pub(super) fn names_a_user(&self) -> bool {
        self.infos().is_ok_and(|infos| infos.iter().any(|info| info.redis_settings().username().is_some()))
    }

    fn is_tls(&self) -> bool {
        self.infos().is_ok_and(|infos| infos.iter().any(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. })))
    }

    /// Says what may be the reason that a connection was not opened, if the error does not.
    #[must_use]
    pub fn hint(&self, error: &RedisError) -> Option<&'static str> {
        match self.is_tls() {
            true if error.is_timeout() => Some("a server without TLS does not answer rediss://"),
            false if error.is_connection_dropped() => Some("a server that wants TLS needs rediss://"),
            _ => None,
        }
    }

    fn infos(&self) -> RedisResult<Vec<ConnectionInfo>> {
        let info = |url: &String| {
            let info = url.as_str().into_connection_info()?;
            if matches!(info.addr(), ConnectionAddr::Unix(_)) {
                return Err((redis::ErrorKind::InvalidClientConfig, "a host and a port are needed").into());
            }
            let mut redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_lib_name("michub", "");
            if !self.username.is_empty() {
                redis = redis.set_username(&self.username);
            }
            if !self.password.is_empty() {
                redis = redis.set_password(&self.password);
            }
            Ok(info.set_redis_settings(redis).set_tcp_settings(self.tcp()))
        };
        self.urls.iter().map(info).collect()
    }

    fn tcp(&self) -> TcpSettings {
        TcpSettings::default().set_nodelay(true)
    }

    fn certificates(&self) -> RedisResult<Option<TlsCertificates>> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let unread = |error| {
            let detail = format!("{}: {error}", path.display());
            RedisError::from((redis::ErrorKind::InvalidClientConfig, "store.redis.ca_file", detail))
        };
        let root_cert = std::fs::read(path).map_err(unread)?;
        Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) }))
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match (self.certificates()?, info.addr()) {
            (Some(certificates), ConnectionAddr::TcpTls { .. }) => Client::build_with_tls(info, certificates),
            _ => Client::open(info),
        }
    }

    /// Opens a connection, within the connect timeout, answers of the server included.
    pub async fn connect(&self, push: Option<Push>) -> RedisResult<Conn> {
        let opened = tokio::time::timeout(self.connect_timeout, self.open(push)).await;
        opened.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }

    async fn open(&self, push: Option<Push>) -> RedisResult<Conn> {
        let infos = self.infos()?;
        let config = || {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.connect_timeout))
                .set_response_timeout(Some(self.command_timeout))
                .set_pipeline_buffer_size(1024);
            match &push {
                Some(push) => config.set_push_sender(push.clone()),
                None => config,
            }
        };
        match self.shape {
            Shape::Standalone => {
                let mut last = RedisError::from((redis::ErrorKind::InvalidClientConfig, "no address"));
                for info in infos {
                    match self.client(info)?.get_multiplexed_async_connection_with_config(&config()).await {
                        Ok(conn) => return Ok(Conn::Single(conn)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Shape::Sentinel => {
                let conn = self.sentinel(infos)?.get_async_connection_with_config(&config()).await?;
                Ok(Conn::Single(conn))
            }
            Shape::Cluster => Ok(Conn::Cluster(self.cluster(infos, push)?.get_async_connection().await?)),
        }
    }

    fn sentinel(&self, infos: Vec<ConnectionInfo>) -> RedisResult<redis::sentinel::SentinelClient> {
        let tls = infos.iter().any(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. }));
        let settings = infos.first().map(|info| info.redis_settings().clone()).unwrap_or_default();
        let addresses = infos.iter().map(|info| info.addr().clone());
        let mut builder = SentinelClientBuilder::new(addresses, self.sentinel_master.as_str(), SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_tcp_settings(self.tcp());
        if let Some(username) = settings.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates()? {
            builder =
                builder.set_client_to_redis_certificates(certificates.clone()).set_client_to_sentinel_certificates(certificates);
        }
        builder.build()
    }

    fn cluster(&self, infos: Vec<ConnectionInfo>, push: Option<Push>) -> RedisResult<redis::cluster::ClusterClient> {
        let mut builder = ClusterClientBuilder::new(infos)
            .use_protocol(ProtocolVersion::RESP3)
            // A server that hangs must leave time for those that have taken over its slots.
            .connection_timeout(self.connect_timeout / 4)
            .response_timeout(self.command_timeout)
            .overall_response_timeout(Some(self.wait))
            .retries(3)
            .min_retry_wait(20)
            .max_retry_wait(200)
            .tcp_settings(self.tcp());
        if let Some(certificates) = self.certificates()? {
            builder = builder.certs(certificates);
        }
        if let Some(push) = push {
            builder = builder.push_sender(push);
        }
        builder.build()
    }
}

/// A handle to the settings that all connections share.
pub type Shared = Arc<RedisSettings>;
