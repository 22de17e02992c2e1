-- What time alone brings about: leases end, jobs become due or expire, old ones go. In steps, so that no call takes long.

local SHARE = 500 -- the most jobs of each kind in one call

-- Whether there are more leases to end.
local function lose_leases()
  local first = call('ZRANGEBYSCORE', prefix .. 'lease', '-inf', int(now), 'LIMIT', 0, 1)[1]
  return first and overdue.lose_leases() or false
end

-- Nothing is left of these jobs.
local function forget(ids)
  -- Of most jobs there is nothing but the record.
  if call('EXISTS', prefix .. 'past', prefix .. 'output', prefix .. 'failure', prefix .. 'keys') > 0 then
    for index, text in pairs(call('HMGET', prefix .. 'past', unpack(ids))) do
      if text then
        call('DEL', prefix .. 'attempts:' .. ids[index], prefix .. 'died:' .. ids[index])
      end
    end
    if exists('keys') then
      unique.forget_keys(ids)
    end
    for _, name in ipairs({ 'past', 'output', 'failure' }) do
      call('HDEL', prefix .. name, unpack(ids))
    end
  end
  call('HDEL', prefix .. 'jobs', unpack(ids))
end

-- Takes `going` jobs out of the oldest group; answers their ids.
local function split_group(key, group, ids, going)
  local state, at, types, text = unpack(group)
  local kept_types, kept, gone, before = {}, {}, {}, 0
  for pair = 1, #types, 2 do
    local number = types[pair + 1]
    local of_type = math.min(number, going - before)
    count(state, types[pair], -of_type)
    if of_type < number then
      kept_types[#kept_types + 1], kept_types[#kept_types + 2] = types[pair], number - of_type
    end
    before = before + of_type
  end
  drop_ids(text)
  if going == #ids then
    call('LPOP', key)
    return ids
  end
  for position, id in ipairs(ids) do
    local list = position <= going and gone or kept
    list[#list + 1] = id
  end
  call('LSET', key, 0, cmsgpack.pack({ state, at, kept_types, cmsgpack.pack(kept) }))
  return gone
end

-- If many jobs are kept, groups go as a whole, which may be a few too early.
local MANY = 1000

local function forget_ended()
  local key, gone = prefix .. 'ended', 0
  local total = tonumber(call('HGET', prefix .. 'counts', 'ended') or 0)
  local more
  while true do
    local packed = call('LINDEX', key, 0)
    local group = packed and cmsgpack.unpack(packed)
    local excess = total - gone - keep.ended.count
    local is_old = group and now - group[2] > keep.ended.age
    more = group and (excess > 0 or is_old)
    if not more or gone >= SHARE then
      break
    end
    local ids = read_ids(group[4])
    local going = (is_old or keep.ended.count >= MANY) and #ids or math.min(#ids, excess)
    local forgotten = split_group(key, group, ids, going)
    forget(forgotten)
    gone = gone + #forgotten
  end
  if gone > 0 then
    call('HINCRBY', prefix .. 'counts', 'ended', -gone)
  end
  return more
end

-- All but the leases. Whether there is more to do.
local function let_time_pass()
  local more = false
  -- Most queues have none of these at most times.
  if call('EXISTS', prefix .. 'due', prefix .. 'expiring', prefix .. 'dead', prefix .. 'windows') > 0 then
    more = overdue.make_ready() or more
    more = overdue.expire() or more
    more = overdue.forget_dead() or more
    more = unique.end_windows(SHARE) or more
  end
  write_down() -- what has expired counts among what is kept
  more = forget_ended() or more
  write_down()
  return more
end

local function advance()
  local more = lose_leases()
  return let_time_pass() or more
end
