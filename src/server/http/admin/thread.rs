//! The thread of the operators' listener: whether the process lives and what it counts is answered however busy everything else is.
//! Whatever an operator wants done runs where the hub's own work runs.
use super::Admin;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, time::Duration};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long accepting rests when the process is out of descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The listener's thread; it ends with this value.
pub struct AdminThread(#[expect(dead_code, reason = "its end is what is heard")] oneshot::Sender<()>);

impl AdminThread {
    /// Starts to answer; operators' work is done by the calling runtime. Errors: the thread cannot be made.
    pub fn start(listener: std::net::TcpListener, admin: Admin) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let work = Handle::current();
        let body = move || {
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, admin, work) => if let Err(error) = served {
                        tracing::error!(%error, "the admin listener cannot listen");
                    },
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("michub-admin".to_owned()).spawn(body)?;
        Ok(Self(stop))
    }
}

async fn serve(listener: std::net::TcpListener, admin: Admin, work: Handle) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(admin.clone().keep_up());
    let router = admin.router(work);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{clock::Clock, history::History, store::memory::MemoryStore};
    use std::{
        io::{Read, Write},
        sync::Arc,
    };

    fn ask(address: std::net::SocketAddr, path: &str) -> String {
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
        let busy = Builder::new_current_thread().build().unwrap();
        let _inside = busy.enter();
        let store = Arc::new(MemoryStore::default());
        let admin = Admin::new(store.clone(), History::new(store, None), None, Clock::new()).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = AdminThread::start(listener, admin).unwrap();
        assert!(ask(address, "/healthz").contains("\r\n\r\nalive\n"));
        assert!(ask(address, "/readyz").starts_with("HTTP/1.1 200 "));
        assert!(ask(address, "/metrics").contains("michub_ready 1"));
        drop(thread);
    }
}
