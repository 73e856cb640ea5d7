-- What releases want of their applings says how each runs in one place, `run`. Releases made before
-- keep what they wanted.
update verdicts
set spec = (spec - array['port', 'readiness_path', 'liveness_path', 'replicas'])
    || jsonb_build_object('run', jsonb_build_object(
        'http', jsonb_build_object(
            'port', spec -> 'port',
            'readiness_path', spec -> 'readiness_path',
            'liveness_path', spec -> 'liveness_path',
            'ingress', jsonb_build_object(
                'domains', (spec -> 'hosts') - 0,
                'from_to_www_redirect', false,
                'paths', '[]'::jsonb
            )
        ),
        'scale', jsonb_build_object('fixed', spec -> 'replicas')
    ))
where not spec ? 'run';
