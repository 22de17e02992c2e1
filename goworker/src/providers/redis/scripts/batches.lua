-- Batches: what was handed out together runs under one lease, and is one record with one text for all ids. What is settled of it is a text
-- too, with `0` or `1` for each position; it is kept only from the first settlement to the last.

-- The ids of a batch, and of a group of jobs that have ended, go from record to record as one text: packed, if they are few; otherwise with the
-- name of the key that has them, because whatever a script reads and writes costs it time byte by byte.
local MANY_IDS = 16

local function store_ids(ids, name)
  local packed = cmsgpack.pack(ids)
  if #ids < MANY_IDS then
    return packed
  end
  call('SET', prefix .. 'ids:' .. name, packed)
  return ':' .. name
end

-- The key that a text names, if it does. No packed list begins with a colon.
local function key_of_ids(text)
  return string.byte(text) == 58 and prefix .. 'ids' .. text
end

local function read_ids(text)
  local key = key_of_ids(text)
  return cmsgpack.unpack(key and call('GET', key) or text)
end

local function drop_ids(text)
  local key = key_of_ids(text)
  if key then
    call('DEL', key)
  end
end

local function batch_in(token, packed)
  local record = cmsgpack.unpack(packed)
  local batch = { token = token, owner = record[1], types = record[2], size = record[3], text = record[4] }
  batch.settled = call('GET', prefix .. 'settled:' .. token) or string.rep('0', batch.size)
  return batch
end

-- The batch with a token, unless it is settled or its lease is lost.
local function batch_of(token)
  local packed = call('HGET', prefix .. 'batch', token)
  return packed and batch_in(token, packed)
end

-- All that run, of all processes.
local function all_batches()
  local batches, flat = {}, call('HGETALL', prefix .. 'batch')
  for index = 1, #flat, 2 do
    batches[#batches + 1] = batch_in(flat[index], flat[index + 1])
  end
  return batches
end

local function ids_of(batch)
  batch.ids = batch.ids or read_ids(batch.text)
  return batch.ids
end

-- Of which type the job at a position of a batch is.
local function type_at(batch, position)
  local types = batch.types
  for pair = 1, #types, 2 do
    position = position - types[pair + 1]
    if position < 0 then
      return types[pair]
    end
  end
end

-- Whether none from the first to the last position is settled.
local function are_open(batch, first, last)
  return last < batch.size and not string.find(string.sub(batch.settled, first + 1, last + 1), '1', 1, true)
end

local function are_settled(batch)
  return not string.find(batch.settled, '0', 1, true)
end

-- Visits those that are not settled: position, id.
local function each_open(batch, visit)
  local ids = ids_of(batch)
  local at = string.find(batch.settled, '0', 1, true)
  while at do
    visit(at - 1, ids[at])
    at = string.find(batch.settled, '0', at + 1, true)
  end
end

-- Nobody needs to know any more how far the jobs of a batch were.
local function forget_progress(batch)
  for _, id in ipairs(ids_of(batch)) do
    local of = string.match(call('HGET', prefix .. 'progress', id) or '', '^%d+')
    if of == batch.token then
      call('HDEL', prefix .. 'progress', id)
    end
  end
end

-- With its ids, unless they are listed as they are.
local function close_batch(batch)
  if not batch.is_listed then
    drop_ids(batch.text)
  end
  if exists('progress') then
    forget_progress(batch)
  end
  call('HDEL', prefix .. 'batch', batch.token)
  call('ZREM', prefix .. 'lease', batch.token)
  call('DEL', prefix .. 'settled:' .. batch.token)
end
