"""The whole `voxwarden` command: an import of this file registers every command."""

from agents.commands import (
    assess,
    assess_drill,
    audit,
    backtest,
    cases,
    config,
    console_accounts,
    dead_letters,
    demo,
    doctor,
    evidence,
    export,
    fingerprints,
    ingest,
    judge,
    label,
    moderate,
    policy,
    policy_fit,
    retention,
    run,
    servers,
    store,
    topics,
    train,
    transcribe,
    tune,
    worker,
)
from agents.commands.app import app, complete_help, main

__all__ = ["app", "main"]

# Each module adds its commands to `app` when it is imported.
REGISTERED = (
    *(run, moderate, transcribe, judge, demo, doctor, config, tune),
    *(servers, worker, topics, ingest, dead_letters),
    *(console_accounts, cases, evidence, retention, audit, export, store, fingerprints, label),
    *(policy, policy_fit, backtest, train, assess, assess_drill),
)

complete_help(app)
