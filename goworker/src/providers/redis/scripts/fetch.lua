-- Hands out jobs under a new lease. Arguments: lease (ms), owner, the rate (jobs, ms; 0 0 for none), the most jobs of any type (-1 for: by type),
-- then types and numbers.

local MOST = 1000

-- Takes ids off the head of the list until `wanted` that are not passed over have come, or there are no more; answers them.
local function pop(type, wanted)
  local list, marks = prefix .. 'list:' .. type, prefix .. 'gone:' .. type
  if not exists('gone:' .. type) then
    return call('LPOP', list, wanted) or {}
  end
  local ids = {}
  while #ids < wanted do
    local popped = call('LPOP', list, wanted - #ids)
    if not popped then
      break
    end
    for _, id in ipairs(popped) do
      if call('HDEL', marks, id) == 0 then
        ids[#ids + 1] = id
      end
    end
  end
  return ids
end

-- Takes the first `room` jobs of a type.
local function take(type, room)
  if not exists('ready:' .. type) then
    return pop(type, room)
  end
  local ids, from_list = {}, 0
  for index, found in ipairs(order.candidates(type, room)) do
    if index > room then
      break
    end
    ids[#ids + 1] = found.id
    if found.of then
      call('ZREM', prefix .. 'ready:' .. type, found.of)
    else
      from_list = from_list + 1
    end
  end
  if from_list > 0 then
    pop(type, from_list)
  end
  return ids
end

-- What a process is told of a batch: token, records, of those with a past: position, crashes, attempts that count, how many do not; and 1 if texts
-- have come in, else 0.
local function deliver(token, ids)
  local records = #ids > 0 and call('HMGET', prefix .. 'jobs', unpack(ids)) or {}
  local pasts = {}
  if #ids > 0 and exists('past') then
    for index, text in ipairs(call('HMGET', prefix .. 'past', unpack(ids))) do
      if text then
        local past = jobs.parse_past(text)
        local attempts = past.attempts > past.earlier and call('LRANGE', prefix .. 'attempts:' .. ids[index], past.earlier, -1) or {}
        pasts[#pasts + 1] = { index - 1, past.crashes, attempts, past.earlier }
      end
    end
  end
  return { token, records, pasts, exists('incoming') and 1 or 0 }
end

local function wanted(from)
  local window = tonumber(ARGV[from + 1])
  local allowed = window > 0 and math.min(MOST, rate.allowed(tonumber(ARGV[from]), window)) or MOST
  local most = tonumber(ARGV[from + 2])
  if most >= 0 then
    return order.shares(math.min(most, allowed))
  end
  local demand, total = {}, 0
  for index = from + 3, #ARGV, 2 do
    demand[#demand + 1], demand[#demand + 2] = ARGV[index], ARGV[index + 1]
    total = total + ARGV[index + 1]
  end
  if total > allowed and allowed < MOST then
    return order.shares(allowed, demand) -- in order, so that no type is left out for ever
  end
  return demand
end

local function take_all(demand)
  local names = { 'paused', 'expiring', 'past', 'incoming' }
  for index = 1, #demand, 2 do
    names[#names + 1], names[#names + 2] = 'ready:' .. demand[index], 'gone:' .. demand[index]
  end
  look_for(names)
  local types, ids = {}, {}
  for index = 1, #demand, 2 do
    local type, room = demand[index], math.min(tonumber(demand[index + 1]), MOST - #ids)
    if room > 0 and not is_paused(type) then
      local taken = take(type, room)
      if #taken > 0 then
        types[#types + 1], types[#types + 2] = type, #taken
      end
      if #taken == room and has_ready(type) then
        wake(type) -- there is more, for another process
      end
      if #ids == 0 then
        ids = taken
      else
        for _, id in ipairs(taken) do
          ids[#ids + 1] = id
        end
      end
    end
  end
  return types, ids
end

-- Answers a new token and the ids of its batch; or `0` and none.
local function fetch(from)
  local types, ids = take_all(wanted(from + 2))
  if #ids == 0 then
    return '0', ids
  end
  local window = tonumber(ARGV[from + 3])
  if window > 0 then
    rate.note_started(window, #ids)
  end
  if exists('expiring') then
    call('ZREM', prefix .. 'expiring', unpack(ids))
  end
  local token = next_token()
  call('HSET', prefix .. 'batch', token, cmsgpack.pack({ ARGV[from + 1], types, #ids, store_ids(ids, token) }))
  call('ZADD', prefix .. 'lease', int(now + tonumber(ARGV[from])), token)
  return token, ids
end
