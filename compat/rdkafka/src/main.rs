//! The driver of rdkafka: this file has the roles and their lines of JSON, as ../../driver.py describes them.

mod admin;
mod consumer;
mod producer;

use std::error::Error;
use std::io::{self, BufRead, Write};

use base64::prelude::{Engine, BASE64_STANDARD};
use rdkafka::config::ClientConfig;
use serde_json::{json, Value};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a driver can be. A request without an answer is answered with None.
pub trait Role {
    fn handle(&mut self, request: &Value) -> Outcome<Option<Value>>;
    fn close(self: Box<Self>) -> Outcome<()>;
}

pub fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

pub fn text<'a>(request: &'a Value, name: &str) -> Outcome<&'a str> {
    request[name].as_str().ok_or_else(|| format!("{name} is no text").into())
}

pub fn number(request: &Value, name: &str) -> Outcome<i64> {
    request[name].as_i64().ok_or_else(|| format!("{name} is no number").into())
}

pub fn partitions(request: &Value) -> Outcome<Vec<i32>> {
    Ok(serde_json::from_value(request["partitions"].clone())?)
}

pub fn decoded(given: &Value) -> Outcome<Option<Vec<u8>>> {
    given.as_str().map(|text| BASE64_STANDARD.decode(text).map_err(Into::into)).transpose()
}

pub fn encoded(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| BASE64_STANDARD.encode(bytes).into())
}

fn begin(bootstrap: &str, request: &Value) -> Outcome<Box<dyn Role>> {
    Ok(match text(request, "do")? {
        "producer" => Box::new(producer::Producer::open(bootstrap, request)?),
        "reader" => Box::new(consumer::Reading::from(bootstrap, request)?),
        "member" => Box::new(consumer::Reading::member(bootstrap, request)?),
        "admin" => Box::new(admin::Admin::open(bootstrap)?),
        other => return Err(format!("a driver cannot be a {other}").into()),
    })
}

fn main() -> Outcome<()> {
    let bootstrap = std::env::args().nth(1).ok_or("usage: driver BOOTSTRAP")?;
    let mut role: Option<Box<dyn Role>> = None;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let over = role.is_some() && request["do"] == "close";
        let answered = match role.take() {
            None => begin(&bootstrap, &request).map(|begun| {
                role = Some(begun);
                Some(json!({}))
            }),
            Some(with) if over => with.close().map(|()| Some(json!({}))),
            Some(mut with) => {
                let answered = with.handle(&request);
                role = Some(with);
                answered
            }
        };
        let answer = answered.unwrap_or_else(|error| Some(json!({ "error": error.to_string() })));
        if let Some(answer) = answer {
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        if over {
            return Ok(());
        }
    }
    Err("the harness has gone".into())
}
