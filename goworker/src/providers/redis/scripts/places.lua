-- Where jobs are, and how one comes from place to place. Every script begins with this; the page `redis-layout.md` describes
-- the keys. A job's state is the place of its id: nothing is written for a job that is handed out, or done, by itself.
--
-- KEYS[1]  what all keys of the queue begin with, such as `{goworker:jobs}:`
-- ARGV     1 lane, 2 turn (see call.lua); 3, 4 and 5, 6 how long (ms) and how many jobs are kept: done, dead; then the script's own

local prefix, call = KEYS[1], redis.call
local keep = {
  ended = { age = tonumber(ARGV[3]), count = tonumber(ARGV[4]) },
  dead = { age = tonumber(ARGV[5]), count = tonumber(ARGV[6]) },
}
local OWN = 7 -- where the script's own arguments begin
local STEP = 60000 -- how many ms of waiting make up for one step of priority

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Whole numbers up to 2^53 as text.
local function int(number)
  return string.format('%d', number)
end

-- Ids in the order of their tickets, for jobs with the same score.
local function member(ticket, id)
  return string.format('%016d', ticket) .. id
end

local function id_in(member)
  return string.sub(member, 17)
end

local function next_ticket()
  return call('INCR', prefix .. 'ticket')
end

-- Whether there is a key. Most queues lack most keys at most times: one question about many tells so, as long as a script makes none of them.
local absent = {}
local function exists(name)
  return not absent[name] and call('EXISTS', prefix .. name) == 1
end

local function look_for(names)
  local keys = {}
  for index, name in ipairs(names) do
    keys[index] = prefix .. name
  end
  if call('EXISTS', unpack(keys)) == 0 then
    for _, name in ipairs(names) do
      absent[name] = true
    end
  end
end

-- Tokens grow with the clock, so that none is given twice even if the server has forgotten what it wrote last.
local function next_token()
  local token = int(math.max(tonumber(call('GET', prefix .. 'token') or 0) + 1, time[1] * 1000000 + time[2]))
  call('SET', prefix .. 'token', token)
  return token
end

-- What is noted during a call, and written once at its end.

local counted, woken, ended, died, groups, listed = {}, {}, {}, {}, {}, 0
local pass_keys_on -- set by unique.lua: what an end means for those who wait for it

local function count(state, type, by)
  local field = state .. ' ' .. type
  counted[field] = (counted[field] or 0) + by
end

-- A group of jobs that have ended: types with numbers, and the ids, packed by themselves: so they go from place to place as one text.
local function list_group(state, types, ids)
  groups[#groups + 1] = cmsgpack.pack({ state, now, types, ids })
  for pair = 1, #types, 2 do
    count(state, types[pair], types[pair + 1])
    listed = listed + types[pair + 1]
  end
end

local function list_ended(state, type, id)
  local entry = ended[state] or { types = {}, ids = {} }
  ended[state] = entry
  local types, ids = entry.types, entry.ids
  if types[#types - 1] == type then
    types[#types] = types[#types] + 1
  else
    types[#types + 1], types[#types + 2] = type, 1
  end
  ids[#ids + 1] = id
end

-- Tells who waits for jobs of a type. One token is enough: whoever takes it passes it on if there is more.
local function wake(type)
  woken[type] = true
end

-- Whether jobs of a type are not handed out: `paused` holds `queue`, or `type TYPE`.
local anything_paused
local function is_paused(type)
  if anything_paused == nil then
    anything_paused = exists('paused')
  end
  return anything_paused
    and (call('SISMEMBER', prefix .. 'paused', 'queue') == 1 or call('SISMEMBER', prefix .. 'paused', 'type ' .. type) == 1)
end

local function write_down()
  if pass_keys_on and (next(ended) or groups[1] or died[1]) then
    pass_keys_on()
  end
  for state, entry in pairs(ended) do
    list_group(state, entry.types, cmsgpack.pack(entry.ids))
  end
  if #groups > 0 then
    call('RPUSH', prefix .. 'ended', unpack(groups))
    call('HINCRBY', prefix .. 'counts', 'ended', listed)
  end
  for field, by in pairs(counted) do
    if by ~= 0 then
      call('HINCRBY', prefix .. 'counts', field, by)
    end
  end
  for type in pairs(woken) do
    local tokens = prefix .. 'wake:' .. type
    if not is_paused(type) and call('LLEN', tokens) == 0 then
      call('RPUSH', tokens, 1)
    end
  end
  counted, woken, ended, died, groups, listed = {}, {}, {}, {}, {}, 0
end

-- A job as it was accepted: `TICKET ENQUEUED DUE PRIORITY EXPIRES PLACE LENGTH TYPE`, and its JSON. DUE and EXPIRES may be `-`;
-- PLACE is `l` if it went to the list of its type, `o` if to another place. It is `m` of one that has moved to another store: it is known no
-- longer, but for its id, and a digest stands for its JSON.
local function parse(id, record)
  local ticket, enqueued, due, priority, expires, place, length, at = string.match(record, '^(%d+) (%d+) (%S+) (%S+) (%S+) (%a) (%d+) ()')
  local job = { id = id, record = record, ticket = tonumber(ticket), enqueued = tonumber(enqueued), priority = tonumber(priority) }
  job.due = tonumber(due) or job.enqueued
  job.expires = tonumber(expires)
  job.listed = place == 'l'
  job.has_moved = place == 'm'
  job.body = at + tonumber(length)
  job.type = string.sub(record, at, job.body - 1)
  return job
end

-- What went wrong with a job, or differs from how it was accepted: `ATTEMPTS EARLIER CRASHES SCORE TICKET LIFTED STATE AT`. Of its
-- ATTEMPTS, EARLIER ones count no longer. SCORE and TICKET are its place in the order, LIFTED is `y` if its expiry is. `-` is nothing.
local function parse_past(text)
  local past = { attempts = 0, earlier = 0, crashes = 0, lifted = false }
  if text then
    local attempts, earlier, crashes, score, ticket, lifted, state, at = string.match(text, '^(%d+) (%d+) (%d+) (%S+) (%S+) (%a) (%S+) (%S+)$')
    past.attempts, past.earlier, past.crashes = tonumber(attempts), tonumber(earlier), tonumber(crashes)
    past.score, past.ticket, past.lifted = tonumber(score), tonumber(ticket), lifted == 'y'
    past.state, past.at = state ~= '-' and state or nil, tonumber(at)
  end
  return past
end

local function remember(job)
  local past = job.past
  local text = string.format('%d %d %d %s %s %s %s %s', past.attempts, past.earlier, past.crashes, past.score and int(past.score) or '-',
    past.ticket and int(past.ticket) or '-', past.lifted and 'y' or 'n', past.state or '-', past.at and int(past.at) or '-')
  call('HSET', prefix .. 'past', job.id, text)
end

-- The job with an id, or nothing.
local function load(id)
  local record = call('HGET', prefix .. 'jobs', id)
  if not record then
    return nil
  end
  local job = parse(id, record)
  job.past = parse_past(call('HGET', prefix .. 'past', id))
  return job
end

local function score_of(job)
  return job.past.score or job.due - job.priority * STEP
end

local function member_of(job)
  return member(job.past.ticket or job.ticket, job.id)
end

-- Ends and expiry

local function watch_expiry(job)
  if job.expires and not job.past.lifted then
    call('ZADD', prefix .. 'expiring', int(job.expires), job.id)
  end
end

-- Whether someone asked to cancel it while it ran.
local anyone_asked
local function is_asked(id)
  if anyone_asked == nil then
    anyone_asked = exists('asked')
  end
  return anyone_asked and call('SISMEMBER', prefix .. 'asked', id) == 1
end

-- Ends a job that is in no place any more, other than by death.
local function end_as(job, state)
  if is_asked(job.id) then
    call('SREM', prefix .. 'asked', job.id)
  end
  if state ~= 'done' then
    job.past.state, job.past.at = state, now
    remember(job)
  end
  list_ended(state, job.type, job.id)
end

-- A dead letter.
local function die(job, failure)
  if is_asked(job.id) then
    call('SREM', prefix .. 'asked', job.id)
  end
  job.past.ticket = next_ticket()
  remember(job)
  died[#died + 1] = job.id
  call('HSET', prefix .. 'failure', job.id, failure)
  call('ZADD', prefix .. 'dead', int(now), member_of(job))
  count('dead', job.type, 1)
end

-- Waiting places

local function put_ready(job)
  call('ZADD', prefix .. 'ready:' .. job.type, int(score_of(job)), member_of(job))
  watch_expiry(job)
  wake(job.type)
end

local function state_of_waiting(job)
  return job.past.ticket and 'retrying' or 'scheduled'
end

local function put_due(job, due)
  call('ZADD', prefix .. 'due', int(due), member_of(job))
  count(state_of_waiting(job), job.type, 1)
  watch_expiry(job)
  wake(job.type) -- for its time: who waits may have to wait less
end

-- Back to where it was before it was handed out.
local function put_back(job)
  if is_asked(job.id) then
    end_as(job, 'cancelled')
  else
    put_ready(job)
  end
end

-- Whether an id in the list of its type stands for a job that is not there any more.
local gone = {} -- by type, whether there are such ids

local function is_passed_over(type, id)
  if gone[type] == nil then
    gone[type] = exists('gone:' .. type)
  end
  return gone[type] and call('HEXISTS', prefix .. 'gone:' .. type, id) == 1
end

-- Takes a waiting job out of its place, wherever that is.
local function leave_waiting(job, state)
  local of = member_of(job)
  if state == 'scheduled' then
    call('ZREM', prefix .. 'due', of)
    count(state_of_waiting(job), job.type, -1)
  elseif call('ZREM', prefix .. 'ready:' .. job.type, of) == 0 then
    -- In the list, where it cannot be reached: whoever comes upon it there passes it over, once.
    call('HSET', prefix .. 'gone:' .. job.type, job.id, int(job.ticket))
    gone[job.type] = true
  end
  if job.expires then
    call('ZREM', prefix .. 'expiring', job.id)
  end
end

local function has_ready(type)
  if exists('ready:' .. type) then
    return true
  elseif not exists('gone:' .. type) then
    return exists('list:' .. type)
  end
  return call('LLEN', prefix .. 'list:' .. type) > call('HLEN', prefix .. 'gone:' .. type)
end
