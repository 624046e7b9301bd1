-- Returns the state of the stream. Begins a new epoch if there is none, or if the sequence has gone back.
-- KEYS: log, meta. ARGV: a new epoch, and what the hub has seen: epoch, newest seq, seq and time of one entry.
-- Returns: epoch, seq, base (entries up to it may be of an earlier epoch), floor.
local log, meta = KEYS[1], KEYS[2]
local epoch = redis.call('HGET', meta, 'epoch')
if not epoch then
  epoch = ARGV[1]
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local seq = last and string.match(last[1], '^%d+') or '0'
  redis.call('HSET', meta, 'epoch', epoch, 'seq', seq, 'base', seq, 'bytes', 0, 'known', epoch)
elseif epoch == ARGV[2] then
  local seq = tonumber(redis.call('HGET', meta, 'seq'))
  local back = seq < tonumber(ARGV[3])
  if not back and ARGV[4] ~= '0' then
    local id = ARGV[4] .. '-0'
    local entry = redis.call('XRANGE', log, id, id)[1]
    if entry then
      for index = 1, #entry[2], 2 do
        if entry[2][index] == 'm' then back = entry[2][index + 1] ~= ARGV[5] end
      end
    end
  end
  if back then
    epoch = ARGV[1]
    redis.call('HSET', meta, 'epoch', epoch, 'base', seq, 'known', epoch)
  end
end
-- If an operator has written another epoch, the entries so far belong to earlier epochs.
if redis.call('HGET', meta, 'known') ~= epoch then
  redis.call('HSET', meta, 'base', redis.call('HGET', meta, 'seq'), 'known', epoch)
end
local found = redis.call('HMGET', meta, 'seq', 'base')
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local floor = found[1]
if first then floor = string.format('%.0f', tonumber(string.match(first[1], '^%d+')) - 1) end
return {epoch, found[1], found[2] or '0', floor}
