//! Whose word about a client's address is taken: that of the proxies that the operator lists, and of nobody else.
use axum::http::HeaderMap;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const FORWARDED: &str = "x-forwarded-for";

/// An address, or a net of them: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Reads a net. Errors: it is none.
    pub fn parse(text: &str) -> Result<Self, ipnet::AddrParseError> {
        text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse()).map(Self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| D::Error::custom(format!("{text:?} is no address and no net like 10.0.0.0/8")))
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The proxies in front of the hub.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[Network]>);

impl Proxies {
    /// Takes the operator's list.
    #[must_use]
    pub fn new(list: &[Network]) -> Self {
        Self(list.into())
    }

    /// Tells whether an address is a proxy's.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.0.contains(&address.to_canonical()))
    }

    /// Finds who asks: the peer, or, behind a proxy, the last address in `X-Forwarded-For` that is not a proxy's.
    ///
    /// Shape: each proxy appends whom it has heard, so the list is believed from its end, as far as proxies have written it.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines: Vec<&str> = headers.get_all(FORWARDED).iter().filter_map(|line| line.to_str().ok()).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address_of(hop.trim()) else { break };
            client = address;
        }
        client
    }
}

/// Reads an address as proxies write it: alone, in brackets, or with a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip())).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proxies_are_believed() {
        let list: Vec<Network> =
            ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].iter().map(|text| Network::parse(text).unwrap()).collect();
        let proxies = Proxies::new(&list);
        let cases: &[(&str, &[&str], &str)] = &[
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6", "1.2.3.4,10.1.1.1"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &["nonsense, 10.1.1.1"], "10.1.1.1"),
            ("127.0.0.1", &["2001:db8::7, fd00::1"], "2001:db8::7"),
            ("127.0.0.1", &["6.6.6.6, 1.2.3.4:5678"], "1.2.3.4"),
            ("127.0.0.1", &["[2001:db8::7]:5678"], "2001:db8::7"),
            ("127.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("127.0.0.1", &["::ffff:1.2.3.4, 10.0.0.1:80"], "1.2.3.4"),
            ("8.8.8.8", &["1.2.3.4"], "8.8.8.8"),
            ("::ffff:10.0.0.9", &["1.2.3.4"], "1.2.3.4"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(FORWARDED, line.parse().unwrap());
            }
            assert_eq!(proxies.client(peer.parse().unwrap(), &headers), expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
        assert!(["10.0.0.0/99", "", "host", "10.0.0"].iter().all(|text| Network::parse(text).is_err()));
        assert!(!Proxies::default().trusts("127.0.0.1".parse().unwrap()));
    }
}
