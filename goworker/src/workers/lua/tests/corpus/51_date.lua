-- Lua 5.1: os.time and os.date. Params: {"at": 86400}
-- Result: ["1970-01-02","02"]
return { os.date("!%Y-%m-%d", job.params.at), os.date("!*t", job.params.at).day == 2 and "02" or "?" }
