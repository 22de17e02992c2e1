//! What errors mean: whether the same call may succeed soon, and what people are told.

use std::error::Error;
use std::sync::Arc;

use anyhow::anyhow;
use goworker::ProviderError;
use redis::{ErrorKind, RedisError};

/// The word with which a server's error begins. Before Redis 7 an error inside of a script is in the text of another.
pub(super) fn code(error: &RedisError) -> Option<&str> {
    let inside = error.detail().filter(|detail| detail.starts_with("Error running script")).and_then(|detail| detail.rsplit(": -").next());
    match (error.code(), inside) {
        (Some("ERR"), Some(inside)) => inside.split_whitespace().next(),
        (code, _) => code,
    }
}

/// Whether the same call may succeed soon, on a new connection.
pub(super) fn means_outage(error: &RedisError) -> bool {
    if is_about_certificates(error) {
        return false;
    }
    match code(error) {
        // NOSCRIPT: flushed between our loading it and our calling it. ASK: all keys of the queue are on their way to another node
        // of the cluster, which takes no calls before it has them all. UNBLOCKED: a master has become a replica.
        Some("LOADING" | "READONLY" | "MASTERDOWN" | "BUSY" | "NOSCRIPT" | "TRYAGAIN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "UNBLOCKED") => {
            true
        }
        Some("ERR") => {
            let detail = error.detail().unwrap_or_default();
            detail.contains("max number of clients") || detail.contains("Script killed by user")
        }
        _ => error.is_io_error() || error.is_connection_dropped() || error.is_timeout(),
    }
}

/// Whether the server's certificate, or ours, is not as it should be: time does not mend that.
fn is_about_certificates(error: &RedisError) -> bool {
    // The library has it in an `Arc`, and the one of I/O hides what is in it from those who ask for its source.
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let io = shared.and_then(|shared| (**shared).downcast_ref::<std::io::Error>());
    let tls = io.and_then(std::io::Error::get_ref).and_then(|inner| inner.downcast_ref());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// The error as the caller is told. Only what no repetition can mend is a failure: it stops the daemon.
pub(super) fn explain(error: &RedisError, place: &str) -> ProviderError {
    let message = match code(error) {
        _ if is_about_certificates(error) => {
            anyhow!("Redis at {place} shows a certificate that is not trusted ({error}); `ca` names the file of another authority")
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => anyhow!("Redis at {place} refuses the login: {error}"),
        _ if error.kind() == ErrorKind::MasterNameNotFoundBySentinel => anyhow!("there is no {place}: they know no master of this name"),
        _ if means_outage(error) => anyhow!("no answer from Redis at {place}: {error}"),
        Some("OOM") => anyhow!("Redis at {place} has no memory left and accepts nothing (`maxmemory` is reached)"),
        Some("NOAUTH") => anyhow!("Redis at {place} wants a login: `redis://USER:PASSWORD@HOST`"),
        Some("WRONGPASS") => anyhow!("Redis at {place} refuses the login: {error}"),
        Some("NOPERM") => anyhow!("Redis at {place} forbids this user what a queue needs: {error}"),
        Some("MISCONF" | "NOREPLICAS") => anyhow!("Redis at {place} accepts nothing: {error}"),
        Some("CROSSSLOT") => {
            let message = "has the list on another node of the cluster than the queue; a list like `{goworker:jobs}:list` is where the queue `jobs` is";
            return ProviderError::Failed(anyhow!("Redis at {place} {message}"));
        }
        _ => return ProviderError::Failed(anyhow!("Redis at {place}: {error}")),
    };
    ProviderError::Unavailable(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as a server sends it.
    fn sent(line: &str) -> RedisError {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap().extract_error().unwrap_err()
    }

    #[test]
    fn errors_inside_of_scripts_count_as_what_they_are() {
        for (line, outage) in [("READONLY You can't write", true), ("OOM command not allowed", false), ("ERR what", false)] {
            let inside = format!("ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -{line}");
            assert_eq!(code(&sent(&inside)), line.split(' ').next());
            assert_eq!(code(&sent(line)), line.split(' ').next());
            assert_eq!(means_outage(&sent(&inside)), outage);
        }
    }
}
