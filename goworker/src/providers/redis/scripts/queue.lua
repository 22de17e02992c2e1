-- What every script begins with. The page `redis-layout.md` describes the keys. A job's state is the place of its id: nothing is written for a
-- job that is handed out, or done, by itself.
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

local NEVER = 9007199254740991 -- ms

-- To define a function takes time, too, at each call of a script. Parts that most calls do not need are tables that fill themselves when
-- something of them is first named.
local unread = {}
function unread.__index(part, name)
  local read = part[1]
  setmetatable(part, nil)
  part[1] = nil
  read(part)
  return part[name]
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Whole numbers up to 2^53 as text.
local function int(number)
  return string.format('%d', number)
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

local function count(state, type, by)
  local field = state .. ' ' .. type
  counted[field] = (counted[field] or 0) + by
end

-- A group of jobs that have ended: types with numbers, and the ids as one text (see batches.lua).
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
  if (next(ended) or groups[1] or died[1]) and exists('next') then
    unique.pass_keys_on()
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

-- Whether someone asked to cancel it while it ran.
local anyone_asked
local function is_asked(id)
  if anyone_asked == nil then
    anyone_asked = exists('asked')
  end
  return anyone_asked and call('SISMEMBER', prefix .. 'asked', id) == 1
end

local function ask(id)
  call('SADD', prefix .. 'asked', id)
  anyone_asked = true
end

-- Whether an id in the list of its type stands for a job that is not there any more.
local gone = {} -- by type, whether there are such ids

local function is_passed_over(type, id)
  if gone[type] == nil then
    gone[type] = exists('gone:' .. type)
  end
  return gone[type] and call('HEXISTS', prefix .. 'gone:' .. type, id) == 1
end

local function has_ready(type)
  if exists('ready:' .. type) then
    return true
  elseif not exists('gone:' .. type) then
    return exists('list:' .. type)
  end
  return call('LLEN', prefix .. 'list:' .. type) > call('HLEN', prefix .. 'gone:' .. type)
end
