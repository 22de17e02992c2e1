-- Hands out jobs under a new lease. Own arguments: lease (ms), owner, the most jobs of any type (-1 for: by type), then types and numbers.
-- Answers the token, the records, of those with a past: position, past, attempts that count; and how many texts have come in.

local MOST = 1000

-- The first jobs of a type, up to `room`, in order. Nothing is taken yet.
local function candidates(type, room)
  local list, ordered = prefix .. 'list:' .. type, prefix .. 'ready:' .. type
  local found, from = {}, 0
  while #found < room do
    local page = call('LRANGE', list, from, from + room - 1)
    local records = #page > 0 and call('HMGET', prefix .. 'jobs', unpack(page)) or {}
    for index, id in ipairs(page) do
      if #found < room and records[index] and not is_passed_over(type, id) then
        local job = parse(id, records[index])
        found[#found + 1] = { score = job.due, ticket = job.ticket, id = id, type = type }
      end
    end
    if #page < room then
      break
    end
    from = from + room
  end
  local waiting = call('ZRANGE', ordered, 0, room - 1, 'WITHSCORES')
  for index = 1, #waiting, 2 do
    local of = waiting[index]
    found[#found + 1] = { score = tonumber(waiting[index + 1]), ticket = tonumber(string.sub(of, 1, 16)), id = id_in(of), type = type, of = of }
  end
  table.sort(found, function(a, b)
    return a.score < b.score or (a.score == b.score and a.ticket < b.ticket)
  end)
  return found
end

-- Takes ids off the head of the list until `wanted` that are not passed over have come.
local function pop(type, wanted, ids)
  local list, marks = prefix .. 'list:' .. type, prefix .. 'gone:' .. type
  while wanted > 0 do
    local popped = call('LPOP', list, wanted)
    if not popped then
      return
    end
    local has_marks = call('EXISTS', marks) == 1
    for _, id in ipairs(popped) do
      if not (has_marks and call('HDEL', marks, id) == 1) then
        ids[#ids + 1] = id
        wanted = wanted - 1
      end
    end
  end
end

-- Takes the first `room` jobs of a type.
local function take(type, room, ids)
  if call('EXISTS', prefix .. 'ready:' .. type) == 0 then
    return pop(type, room, ids)
  end
  local listed = 0
  for index, found in ipairs(candidates(type, room)) do
    if index > room then
      break
    end
    ids[#ids + 1] = found.id
    if found.of then
      call('ZREM', prefix .. 'ready:' .. type, found.of)
    else
      listed = listed + 1
    end
  end
  pop(type, listed, {})
end

-- How many of which type the first `room` jobs of all types are.
local function shares(room)
  local first, share = {}, {}
  for _, type in ipairs(call('HKEYS', prefix .. 'types')) do
    for _, found in ipairs(is_paused(type) and {} or candidates(type, room)) do
      first[#first + 1] = found
    end
  end
  table.sort(first, function(a, b)
    return a.score < b.score or (a.score == b.score and a.ticket < b.ticket)
  end)
  for index = 1, math.min(room, #first) do
    local type = first[index].type
    share[type] = (share[type] or 0) + 1
  end
  local flat = {}
  for type, slots in pairs(share) do
    flat[#flat + 1], flat[#flat + 2] = type, slots
  end
  return flat
end

local function deliver(token, ids)
  local records = call('HMGET', prefix .. 'jobs', unpack(ids))
  local pasts = {}
  if call('EXISTS', prefix .. 'past') == 1 then
    for index, text in ipairs(call('HMGET', prefix .. 'past', unpack(ids))) do
      if text then
        local past = parse_past(text)
        local attempts = past.attempts > past.earlier and call('LRANGE', prefix .. 'attempts:' .. ids[index], past.earlier, -1) or {}
        pasts[#pasts + 1] = { index - 1, past.crashes, attempts }
      end
    end
  end
  return { token, records, pasts, call('LLEN', prefix .. 'incoming') }
end

if answered then
  local packed = call('HGET', prefix .. 'batch', answered)
  if not packed then
    return { answered, {}, {}, 0 } -- the lease is lost meanwhile
  end
  return deliver(answered, cmsgpack.unpack(packed)[3])
end

advance()
local demand, most = {}, tonumber(ARGV[OWN + 2])
if most >= 0 then
  demand = shares(math.min(most, MOST))
else
  for index = OWN + 3, #ARGV do
    demand[#demand + 1] = ARGV[index]
  end
end

local types, ids = {}, {}
for index = 1, #demand, 2 do
  local type, room = demand[index], math.min(tonumber(demand[index + 1]), MOST - #ids)
  if room > 0 and not is_paused(type) then
    local before = #ids
    take(type, room, ids)
    if #ids > before then
      types[#types + 1], types[#types + 2] = type, #ids - before
    end
    if #ids - before == room and has_ready(type) then
      wake(type) -- there is more, for another process
    end
  end
end
if #ids == 0 then
  write_down()
  return { '0', {}, {}, call('LLEN', prefix .. 'incoming') }
end
if call('EXISTS', prefix .. 'expiring') == 1 then
  call('ZREM', prefix .. 'expiring', unpack(ids))
end
local token = next_token()
call('HSET', prefix .. 'batch', token, cmsgpack.pack({ ARGV[OWN + 1], types, ids }))
call('ZADD', prefix .. 'lease', int(now + tonumber(ARGV[OWN])), token)
write_down()
answer(token)
return deliver(token, ids)
