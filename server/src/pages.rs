//! What a browser asks for: the client as one file, and in development the index page and the demos.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::get;
use include_dir::{Dir, include_dir};

/// The client, as a classic script and as a module.
const CLIENT: [(&str, &str); 2] = [
    ("/encke.js", include_str!("../../client/encke.js")),
    ("/encke.mjs", include_str!("../../client/encke.mjs")),
];

/// The demos, each a folder.
static DEMOS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../demos");

/// What the demos may load and do: what comes from here, and the client's timer, which is a worker of its own making.
const POLICY: &str = "default-src 'self'; worker-src 'self' blob:; img-src 'self' data:; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'self'";

/// All pages.
pub(crate) fn router(base: &str, development: bool) -> Router {
    let mut router = Router::new();
    for (path, script) in CLIENT {
        router = router.route(
            &format!("{base}{path}"),
            get(move |headers: HeaderMap| async move { file(path, script.as_bytes(), &headers) }),
        );
    }
    let here = format!("{base}/");
    router = if development {
        let below = format!("{base}/demos/");
        let demo = move |uri: Uri, headers: HeaderMap| async move { demo(&uri, &below, &headers) };
        router
            .route(&here, get(|headers: HeaderMap| async move { of_demos("index.html", &headers) }))
            .route(&format!("{base}/demos/{{*path}}"), get(demo))
    } else {
        let page = include_str!("index.html")
            .replace("{version}", env!("CARGO_PKG_VERSION"))
            .replace("{base}", base);
        router.route(&here, get(move || async move { Html(page) }))
    };
    if !base.is_empty() {
        router = router.route(base, get(move || async move { Redirect::permanent(&here) }));
    }
    router.fallback(|| async { (StatusCode::NOT_FOUND, "nothing is here; the index page is at /\n") })
}

/// A file of the demos; a folder is its page.
fn demo(uri: &Uri, below: &str, headers: &HeaderMap) -> Response<Body> {
    let path = uri.path().strip_prefix(below).unwrap_or_default();
    if DEMOS.get_dir(path.trim_end_matches('/')).is_some() {
        if !path.ends_with('/') {
            return Redirect::permanent(&format!("{}/", uri.path())).into_response();
        }
        return of_demos(&format!("{path}index.html"), headers);
    }
    of_demos(path, headers)
}

fn of_demos(path: &str, headers: &HeaderMap) -> Response<Body> {
    match DEMOS.get_file(path) {
        Some(found) => file(path, found.contents(), headers),
        None => (StatusCode::NOT_FOUND, "there is no such page; the index page is at /\n").into_response(),
    }
}

/// A file that is part of the binary. Browsers ask again each time and are told that it is the same, since the
/// next binary brings another one under the same name.
fn file(path: &str, bytes: &'static [u8], headers: &HeaderMap) -> Response<Body> {
    let tag = format!("\"{}-{:x}\"", env!("CARGO_PKG_VERSION"), checksum(bytes));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Body::empty() } else { Body::from(bytes) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fields = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type(path)),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

/// FNV-1a, to tell one build's file from another's.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
