//! The thread of the operators' listener: whether the process lives and what it counts is answered however busy everything else is.
//! Whatever an operator wants done runs where the hub's own work runs.
use super::Admin;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The operators' listener while it is open: the last thing that closes.
pub struct Operators {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its end is what the thread hears.
    open: oneshot::Sender<()>,
}

impl Operators {
    /// Listens, and answers from here on, on a thread of its own; operators' work is done by the calling runtime. Errors: the address is in
    /// use or not ours, or the thread cannot be made.
    pub async fn listen(at: SocketAddr, admin: Admin) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        // It belongs to the other runtime.
        let listener = listener.into_std()?;
        let (open, closed) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let work = Handle::current();
        let body = move || {
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, admin, work) => if let Err(error) = served {
                        tracing::error!(%error, "the admin listener cannot listen");
                    },
                    _ = closed => {}
                }
            });
        };
        std::thread::Builder::new().name("michub-admin".to_owned()).spawn(body)?;
        Ok(Self { address, open })
    }

    /// Ends it.
    pub fn close(self) {
        drop(self.open);
    }
}

async fn serve(listener: std::net::TcpListener, admin: Admin, work: Handle) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(admin.clone().keep_up());
    let router = admin.router(work);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{clock::Clock, history::History, store::memory::MemoryStore};
    use futures_util::FutureExt;
    use std::{
        io::{Read, Write},
        sync::Arc,
    };

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut line = std::net::TcpStream::connect(address).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(line, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_hub_may_be_busy_with_anything_else() {
        // Nobody ever runs it: that is how busy it is.
        let busy = Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = busy.enter();
        let store = Arc::new(MemoryStore::default());
        let admin = Admin::new(store.clone(), History::new(store, None), None, Clock::new()).unwrap();
        let listening = Operators::listen(([127, 0, 0, 1], 0).into(), admin);
        let operators = listening.now_or_never().expect("nothing to wait for").unwrap();
        assert!(ask(operators.address, "/healthz").contains("\r\n\r\nalive\n"));
        assert!(ask(operators.address, "/readyz").starts_with("HTTP/1.1 200 "));
        assert!(ask(operators.address, "/metrics").contains("michub_ready 1"));
        operators.close();
    }
}
