//! The demo page, the protocol's page and their files, embedded in the binary (read from the folder in debug builds), under a strict content policy;
//! compressed for whoever takes that. Refuses everything but GET and HEAD, and serves no ranges: the largest file is small.
use axum::{
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{LazyLock, Mutex, PoisonError},
};

#[derive(rust_embed::RustEmbed)]
#[folder = "web-demo/"]
struct Files;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

/// A file in gzip, and the hash of what it was made of: a debug build's files change.
type Packed = ([u8; 32], Bytes);

/// The files that somebody has asked for in gzip, by path. Limit: the number of files.
static PACKED: LazyLock<Mutex<BTreeMap<String, Packed>>> = LazyLock::new(Mutex::default);

/// Returns a file in gzip. Cost: some milliseconds the first time, a copy of a pointer after that.
fn packed(path: &str, hash: [u8; 32], data: &[u8]) -> Option<Bytes> {
    let mut files = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, packed)) = files.get(path).filter(|(of, _)| *of == hash) {
        return Some(packed.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).ok()?;
    let packed = Bytes::from(encoder.finish().ok()?);
    files.insert(path.to_owned(), (hash, packed.clone()));
    Some(packed)
}

/// Tells whether `Accept-Encoding` takes gzip: by name, or else by `*`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut by_name, mut by_star) = (None, None);
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let is_taken = weight.is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => by_name = Some(is_taken),
            "*" => by_star = Some(is_taken),
            _ => {}
        }
    }
    by_name.or(by_star).unwrap_or(false)
}

/// Tells whether the client's copy is still good: `If-None-Match` names its tag, weak or strong, alone or among others.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Serves a file of the pages; `/` is the demo, `/docs` the protocol.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        "docs" | "docs/" => "docs/index.html",
        path => path,
    };
    let Some(file) = Files::get(path) else { return StatusCode::NOT_FOUND.into_response() };
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response();
    }
    let hash = file.metadata.sha256_hash();
    let gzip = takes_gzip(&headers).then(|| packed(path, hash, &file.data)).flatten();
    let mut tag = String::from("\"");
    for byte in hash.iter().take(12) {
        let _ = write!(tag, "{byte:02x}");
    }
    // Two representations of one file are two for a cache, too.
    tag.push_str(if gzip.is_some() { "-gz\"" } else { "\"" });
    let always = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag.as_str()),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    if has(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let kind = [(header::CONTENT_TYPE, kind(path))];
    if let Some(gzip) = gzip {
        return (always, kind, [(header::CONTENT_ENCODING, "gzip")], gzip).into_response();
    }
    let data = match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    };
    (always, kind, data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use std::io::Read as _;

    fn asked(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), header::HeaderValue::from_static(value))).collect()
    }

    async fn get(pairs: &[(header::HeaderName, &'static str)]) -> (StatusCode, HeaderMap, Bytes) {
        let answer = serve(Method::GET, Uri::from_static("/style.css"), asked(pairs)).await;
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    #[test]
    fn gzip_is_taken_as_the_header_says() {
        for (value, taken) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=many", false),
            ("br, identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&asked(&[(header::ACCEPT_ENCODING, value)])), taken, "{value}");
        }
    }

    #[tokio::test]
    async fn a_file_is_the_same_in_gzip_and_has_a_tag_of_its_own() {
        let (status, plain, file) = get(&[]).await;
        assert_eq!((status, plain.get(header::CONTENT_ENCODING)), (StatusCode::OK, None));
        let (status, small, gzip) = get(&[(header::ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!((status, small[header::CONTENT_ENCODING].as_bytes()), (StatusCode::OK, b"gzip".as_slice()));
        assert!(gzip.len() < file.len() / 2);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, file);
        assert_ne!(plain[header::ETAG], small[header::ETAG]);
        for headers in [&plain, &small] {
            assert_eq!(headers[header::VARY], "accept-encoding");
            assert_eq!(headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
        }
    }

    #[tokio::test]
    async fn a_good_copy_is_not_sent_again() {
        let (_, headers, _) = get(&[(header::ACCEPT_ENCODING, "gzip")]).await;
        let tag = headers[header::ETAG].to_str().unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let mut asked = asked(&[(header::ACCEPT_ENCODING, "gzip")]);
            asked.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            let answer = serve(Method::GET, Uri::from_static("/style.css"), asked).await;
            assert_eq!((answer.status(), &answer.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &headers[header::ETAG]));
        }
        let mut plain = HeaderMap::new();
        plain.insert(header::IF_NONE_MATCH, headers[header::ETAG].clone());
        assert_eq!(serve(Method::GET, Uri::from_static("/style.css"), plain).await.status(), StatusCode::OK);
    }
}
