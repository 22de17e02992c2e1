-- Takes waiting jobs out of their places that are to move to another store; or answers those of a move to it that has not ended, first of all.
-- Own arguments: the target; a name for this store, if it has none yet; whether a move may begin (1 or 0); how many jobs and how many bytes of
-- them a move has, about; types. Answers the token (0: there is no move), the store's name, and the records.
-- It is no call with a turn: whoever repeats it is answered the move that it began.

local target, may_begin = ARGV[OWN], ARGV[OWN + 2] == '1'
local most, most_bytes = tonumber(ARGV[OWN + 3]), tonumber(ARGV[OWN + 4])
local PAGE, LOOKED_AT = 200, 5000 -- in places where not all jobs may move: jobs at once, and in all

local ids, bytes, looked_at = {}, 0, 0

local function is_full()
  return #ids >= most or bytes >= most_bytes
end

local function take(id)
  ids[#ids + 1] = id
  bytes = bytes + call('HSTRLEN', prefix .. 'jobs', id)
end

-- Those that were taken since, the newest first, come into the order in which they were.
local function turn_round(from)
  local to = #ids
  while from < to do
    ids[from], ids[to] = ids[to], ids[from]
    from, to = from + 1, to - 1
  end
end

-- The newest of a list: the oldest are left to run from here. All in it are as they came, without a past or a key.
local function take_listed(type)
  local first = #ids + 1
  while not is_full() do
    local id = call('RPOP', prefix .. 'list:' .. type)
    if not id then
      break
    elseif is_passed_over(type, id) then
      call('HDEL', prefix .. 'gone:' .. type, id)
    else
      take(id)
    end
  end
  turn_round(first)
end

-- The last of a sorted set. Jobs with a past stay, because another store would not know it, and so do those with a key, which is held here.
local function take_ordered(key, state, wanted)
  local found, first, from = {}, #ids + 1, 0
  while not is_full() and looked_at < LOOKED_AT do
    local page = call('ZREVRANGE', key, from, from + PAGE - 1)
    looked_at = looked_at + #page
    for _, of in ipairs(page) do
      local id = jobs.id_in(of)
      local stays = call('HEXISTS', prefix .. 'past', id) == 1 or call('HEXISTS', prefix .. 'keys', id) == 1
      local job = not stays and not is_full() and jobs.load(id)
      if job and wanted[job.type] then
        take(id)
        found[#found + 1] = job
      end
    end
    if #page < PAGE then
      break
    end
    from = from + PAGE
  end
  turn_round(first)
  for _, job in ipairs(found) do
    jobs.leave_waiting(job, state)
  end
end

-- A store that takes them may know of no pause: what is paused stays.
local function take_waiting()
  local types, wanted = {}, {}
  for index = OWN + 5, #ARGV do
    local type = ARGV[index]
    if not is_paused(type) then
      types[#types + 1] = { name = type, length = call('LLEN', prefix .. 'list:' .. type) }
      wanted[type] = true
    end
  end
  table.sort(types, function(a, b)
    return a.length > b.length or (a.length == b.length and a.name < b.name)
  end)
  for _, type in ipairs(types) do
    take_listed(type.name)
  end
  for _, type in ipairs(types) do
    take_ordered(prefix .. 'ready:' .. type.name, 'ready', wanted)
  end
  if next(wanted) then
    take_ordered(prefix .. 'due', 'scheduled', wanted)
  end
end

-- Ids that have moved are known for as long as those of jobs that are done.
local function forget_moved()
  local key = prefix .. 'moved'
  local total = tonumber(call('HGET', prefix .. 'counts', 'moved') or 0)
  while true do
    local packed = call('LINDEX', key, 0)
    local entry = packed and cmsgpack.unpack(packed)
    if not entry or (total - #entry[2] < keep.ended.count and now - entry[1] <= keep.ended.age) then
      return
    end
    call('LPOP', key)
    call('HDEL', prefix .. 'jobs', unpack(entry[2]))
    call('HINCRBY', prefix .. 'counts', 'moved', -#entry[2])
    total = total - #entry[2]
  end
end

forget_moved()
local move = moving.open_move(target)
if not move and may_begin then
  take_waiting()
  if #ids > 0 then
    move = { next_token(), ids }
    call('HSETNX', prefix .. 'cursor', 'identity', ARGV[OWN + 1])
    call('HSET', prefix .. 'moving', target, cmsgpack.pack(move))
  end
  write_down()
end
if not move then
  return { '0', '', {} }
end
return { move[1], call('HGET', prefix .. 'cursor', 'identity') or '', call('HMGET', prefix .. 'jobs', unpack(move[2])) }
